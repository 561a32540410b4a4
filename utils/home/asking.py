"""Ask the code of the installed tentacles for the schemas of their settings, once for each state of that code."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from utils.errors import Overloaded
from utils.home import files
from utils.home.home import Home
from utils.home.schemas import fingerprint, keep, kept

SECONDS = 45.0
"""How long tentacles may take to be imported and asked; a few seconds for the official ones."""

WAIT_SECONDS = 1.0
"""How long whoever comes while they are asked waits for it."""
AGAIN_SECONDS = 3

NEEDED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What tentacles get of the environment: they are foreign code, and its other variables may be secrets."""

LOCK = ".schemas.lock"
ROOT = Path(__file__).resolve().parents[2]
_logger = logging.getLogger(__name__)


def told(home: Home, seconds: float = SECONDS) -> dict[str, Any]:
    """Return the schemas that the code tells, by class; asked in a process of its own, and kept until it changes.

    :param seconds: how long the code may take.
    :raises Overloaded: `schemas_pending` while the code is being asked for somebody else.
    """
    code = fingerprint(home)
    if code is None:
        return {}
    found = kept(home, code)
    if found is not None:
        return found
    try:
        with files.held(home.root / LOCK, WAIT_SECONDS):
            found = kept(home, code)
            return _asked(home, code, seconds) if found is None else found
    except Overloaded:
        detail = "The tentacles are being asked for the schemas of their settings."
        raise Overloaded(detail, code="schemas_pending", retry_after=AGAIN_SECONDS) from None


def run_beside(module: str, *arguments: str, seconds: float) -> None:
    """Run a module that imports tentacles in a process of its own, and wait for its end.

    :raises subprocess.SubprocessError: it failed, or took longer. :raises OSError: it could not be started.
    """
    quiet: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    command = [sys.executable, "-m", module, *arguments]
    subprocess.run(command, cwd=ROOT, env=bare_environment(), check=True, timeout=seconds, **quiet)


def bare_environment() -> dict[str, str]:
    """Return what processes with tentacles get of the environment."""
    return {name: os.environ[name] for name in NEEDED if name in os.environ}


def _asked(home: Home, code: str, seconds: float) -> dict[str, Any]:
    """Ask the code; what fails once is not tried again until it is another one."""
    try:
        run_beside("engine.tentacles", str(home.root), code, seconds=seconds)
    except (subprocess.SubprocessError, OSError) as error:
        _logger.warning("the tentacles do not tell their settings: %s", type(error).__name__)
        keep(home, code, {})
    return kept(home, code) or {}
