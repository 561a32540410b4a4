"""Build `.venv` from the pinned requirements, or leave it alone when it is already what they say.

Run by `scripts/bootstrap` with whatever Python it found, hence the standard library alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
BUILDING = VENV / ".building"
"""Lies there while packages are being installed; found at the start, the last run was interrupted."""

PLACE = VENV / ".place"
"""Says where .venv was built: the scripts inside a moved one point to where it was."""


def main(arguments: list[str]) -> int:
    """Make `.venv` fit for running (no argument) or for tests and checks as well (`dev`)."""
    wanted = ["requirements.txt", "requirements-dev.txt"] if "dev" in arguments else ["requirements.txt"]
    if _is_current(wanted):
        return 0
    with _alone():
        missing = [name for name in wanted if not _is_current([name])]
        if not missing:  # the one we waited for has done it
            return 0
        if BUILDING.exists() or not _is_here() or not _runs():
            shutil.rmtree(VENV, ignore_errors=True)
            missing = wanted
            _say(f"Creating .venv with Python {sys.version.split()[0]}")
            VENV.mkdir()
            BUILDING.touch()
            # A venv cannot be made from an interpreter inside the one just removed.
            base = getattr(sys, "_base_executable", sys.executable)
            subprocess.run([base, "-m", "venv", str(VENV)], check=True)
            PLACE.write_text(str(VENV), encoding="utf-8")
        BUILDING.touch()
        _say(f"Installing {' and '.join(missing)} (once; needs the network)")
        try:
            _install(wanted)
        except subprocess.CalledProcessError as error:
            _say(f"The installation failed (exit {error.returncode}); the lines above say why. Try again with: make")
            return 1
        _compile()
        for name in wanted:
            _stamp(name).write_text(_digest(name), encoding="ascii")
        BUILDING.unlink()
    return 0


def _install(names: list[str]) -> None:
    """Install with uv, which takes seconds; with pip when uv cannot be had or fails.

    :raises subprocess.CalledProcessError: when pip fails as well.
    """
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    hashed = [argument for name in names for argument in ("-r", str(ROOT / name))]
    got_uv = subprocess.run(
        [*pip, "install", "--quiet", "--require-hashes", "-r", str(ROOT / "requirements-uv.txt")], check=False
    )
    if got_uv.returncode == 0:
        uv = [str(VENV / "bin" / "uv"), "pip", "install", "--quiet", "--python", str(PYTHON), "--compile-bytecode"]
        # Like pip, take a package from whichever index has it: the hash decides whether it is the right one.
        uv += ["--index-strategy", "unsafe-best-match", "--require-hashes", *hashed]
        if subprocess.run(uv, check=False, env=_uv_environment(pip)).returncode == 0:
            return
    _say("Falling back to pip; this takes a minute or two")
    subprocess.run([*pip, "install", "--quiet", "--require-hashes", *hashed], check=True)


def _compile() -> None:
    """Compile the backend's own modules: a service may not write here, and PYTHONDONTWRITEBYTECODE may be set."""
    rooms = [file.parent for file in ROOT.glob("*/__init__.py") if file.parent.name not in {"tests", "benchmarks"}]
    modules = [*ROOT.glob("*.py"), *rooms]
    subprocess.run([str(PYTHON), "-m", "compileall", "-q", *map(str, modules)], check=False)


def _uv_environment(pip: list[str]) -> dict[str, str]:
    """Return the environment in which uv uses the mirrors and certificates that pip is configured with."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    for line in listed.splitlines():  # global.index-url='https://…', the environment's as :env:.index-url
        key, _, value = line.partition("=")
        name = names.get(key.rpartition(".")[2])
        if name and name not in os.environ:
            separator = "," if name == "UV_FIND_LINKS" else " "
            environment[name] = separator.join(value.strip().strip("'\"").replace("\\n", " ").split())
    return environment


def _is_current(names: list[str]) -> bool:
    if BUILDING.exists() or not _is_here():
        return False
    try:
        return all(_stamp(name).read_text(encoding="ascii") == _digest(name) for name in names) and _runs()
    except OSError:
        return False


def _stamp(name: str) -> Path:
    return VENV / f".{name}.sha256"


def _digest(name: str) -> str:
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


def _is_here() -> bool:
    return PLACE.exists() and PLACE.read_text(encoding="utf-8") == str(VENV)


def _runs() -> bool:
    return PYTHON.exists() and subprocess.run([str(PYTHON), "-c", ""], check=False).returncode == 0


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for another build in this folder; the lock goes with the process, however it ends."""
    with (ROOT / ".venv.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another make is building .venv; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(f"bootstrap: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
