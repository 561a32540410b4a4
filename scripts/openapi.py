"""Write `openapi.yaml`, the document that the app serves, or check that the committed one is no other."""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
from pathlib import Path

from api.documentation import render
from app import create_app
from config import Settings

PATH = Path(__file__).parent.parent / "openapi.yaml"


def generate() -> str:
    """Return the document of an app with default settings; leaves nothing behind."""
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(
            data_dir=Path(directory),
            database_url=f"sqlite:///{directory}/unused.db",
            secret_key="no request is ever answered with this",  # noqa: S106
            rate_limit_enabled=False,
        )
        return render(create_app(settings))


def main() -> int:
    """Write the file, or with `--check` print how it differs and return 1."""
    parser = argparse.ArgumentParser(prog="python -m scripts.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when openapi.yaml is out of date")
    check = parser.parse_args().check
    made = generate()
    if not check:
        PATH.write_text(made, encoding="utf-8")
        return 0
    kept = PATH.read_text(encoding="utf-8") if PATH.exists() else ""
    difference = difflib.unified_diff(
        kept.splitlines(keepends=True), made.splitlines(keepends=True), "openapi.yaml", "generated"
    )
    sys.stdout.writelines(difference)
    if kept != made:
        sys.stdout.write("openapi.yaml is out of date: run python -m scripts.openapi\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
