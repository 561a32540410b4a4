"""Documents that say what the code says."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from config import Settings

ROOT = Path(__file__).resolve().parents[2]
IN_WORDS = {"octobot_home", "database_url", "secret_key", "encryption_keys", "metrics_token"}
"""Settings whose default the table describes, since it depends on others."""


def _as_in_the_environment(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value in {dataclasses.MISSING, None} else str(value)


def test_the_readmes_table_has_exactly_the_settings_and_their_defaults() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| *(.*?) *\| (.+) \|$", (ROOT / "README.md").read_text(), re.M)
    table = {name: default.strip("`") for name, default, _ in rows}
    fields = {field.name: field.default for field in dataclasses.fields(Settings)}
    assert list(table) == [name.upper() for name in fields]
    for name, default in fields.items():
        if name not in IN_WORDS:
            assert table[name.upper()] == _as_in_the_environment(default), name


@pytest.mark.parametrize("document", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []
    # the route and the strategy that CONTRIBUTING adds are examples
    paths = set(re.findall(r"`((?:\w+/)+\w+\.\w+)`", text)) - {
        *("services/things.py", "api/things.py", "api/schemas/things.py"),
        "engine/strategies/classes/dip.py",
    }
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_make_target_that_documents_name_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / document).read_text()
        named = set(re.findall(r"(?:^|`)make(?: -C \S+)? ([a-z]+)", text, re.M))
        assert named <= targets, document


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_systemd_unit_is_sound(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "trading-backend.service").read_text()
    unit = tmp_path / "trading-backend.service"
    # the machine that runs the tests has neither this folder nor this user
    unit.write_text(
        text.replace("/opt/trading-backend/.venv/bin/python", sys.executable).replace("=trading\n", "=root\n")
    )
    run = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (run.returncode, [line for line in run.stderr.splitlines() if str(unit) in line]) == (0, [])
