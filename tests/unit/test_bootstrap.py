"""`make` finds a Python that runs, on a PATH of stand-ins; nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIM = 'echo "pyenv: $(basename $0): command not found" >&2\nexit 127'
"""What pyenv puts on PATH for a version that is not switched on."""
OLD = "exit 1"
"""A Python below 3.12 fails the look at its version."""
FITTING = 'case $1 in -c) exit 0 ;; *) echo "$0 $*" ;; esac'
"""Fits, and tells by which name it was started and what it was to run."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with what `make env` needs, where only the given stand-ins can be found."""
    folder = tmp_path / "clone"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    script = (ROOT / "scripts" / "bootstrap").read_text()
    # interpreters of this machine in well-known places must not be found
    script = re.sub(r'"(/(?:usr|opt)/)', rf'"{tmp_path}\1', script).replace(" /root/", f" {tmp_path}/root/")
    script = re.sub(r"(?<= )(/(?:opt|usr)/)", rf"{tmp_path}\1", script)
    (folder / "scripts" / "bootstrap").write_text(script)
    (folder / "scripts" / "bootstrap").chmod(0o755)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "basename", "cat", "tr", "sed", "make"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    return folder


def stand_in(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def bootstrap(clone: Path, *path: Path, command: str = "scripts/bootstrap", **settings: str) -> tuple[int, str]:
    environment = {"HOME": str(clone.parent / "home"), **settings}
    environment["PATH"] = os.pathsep.join(map(str, (*path, clone.parent / "tools")))
    run = subprocess.run(
        command.split(), cwd=clone, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return run.returncode, run.stdout + run.stderr


def test_without_any_python_it_says_how_to_get_one(clone: Path) -> None:
    code, output = bootstrap(clone)
    assert code == 1
    assert "No Python 3.12 or newer" in output
    for way in ("apt install python3", "brew install", "pyenv install 3.12", "uv python install 3.12", "PYTHON=/path"):
        assert way in output


def test_shims_that_do_not_run_and_old_versions_are_passed_over(clone: Path, tmp_path: Path) -> None:
    shims, path = tmp_path / "pyenv" / "shims", tmp_path / "bin"
    for name in ("python3.12", "python3.13"):
        stand_in(shims / name, SHIM)
    for name in ("python3", "python"):
        stand_in(path / name, OLD)
    assert "No Python 3.12" in bootstrap(clone, shims, path)[1]
    fitting = stand_in(path / "python3.14", FITTING)
    code, output = bootstrap(clone, shims, path, command="scripts/bootstrap dev")
    assert (code, output.split()) == (0, [str(fitting), "scripts/environment.py", "dev"])


def test_the_shims_lead_to_versions_that_are_not_switched_on(clone: Path, tmp_path: Path) -> None:
    shims = tmp_path / "pyenv" / "shims"
    stand_in(shims / "python3.12", SHIM)
    real = stand_in(tmp_path / "pyenv" / "versions" / "3.13.1" / "bin" / "python", FITTING)
    assert bootstrap(clone, shims)[1].split()[0] == str(real)


@pytest.mark.parametrize("command", ["scripts/bootstrap", "make env"])
def test_the_caller_may_choose(clone: Path, tmp_path: Path, command: str) -> None:
    stand_in(tmp_path / "bin" / "python3.12", FITTING)
    chosen = stand_in(tmp_path / "mine" / "python", FITTING)
    assert bootstrap(clone, tmp_path / "bin", command=command, PYTHON=str(chosen))[1].split()[0] == str(chosen)


def test_the_interpreter_of_these_tests_fits(clone: Path) -> None:
    stand_in(clone / "scripts" / "environment.py", "")
    code, output = bootstrap(clone, PYTHON=sys.executable)
    assert (code, output) == (0, "")
