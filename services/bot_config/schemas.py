"""Which JSON Schema the settings of a tentacle have: its module's own, or the one that its code tells."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from utils.errors import Overloaded
from utils.home import Home
from utils.home.schemas import fingerprint, keep, kept
from utils.home.tentacles import Tentacle, bare_environment, installed

SECONDS = 240.0
"""How long tentacles may take to be imported and asked; a few seconds for the official ones on an idle machine."""

AGAIN_SECONDS = 5

ROOT = Path(__file__).resolve().parents[2]
Source = Literal["module", "code"]
_logger = logging.getLogger(__name__)


class Schemas:
    """Find schemas. What the code tells is asked once, in a process of its own, and kept until it changes.

    The worker asks, and nobody else: who serves requests finds what was kept, or says that it is to come.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._is_tried = False
        """Whether tentacles that OctoBot could not install were here before."""

    def of(self, tentacle: Tentacle) -> tuple[dict[str, Any] | None, Source | None]:
        """Return the schema of a tentacle's settings and where it is from, None for one that has none.

        :raises Overloaded: `schemas_pending` while the code is being asked.
        """
        own = tentacle.schema()
        if own is not None:
            return own, "module"
        told = self._told().get(tentacle.name)
        return told, None if told is None else "code"

    def fill(self) -> None:
        """Ask the code if it is another one than before; what was only unpacked is installed for it.

        What fails once is not tried again until it changes.
        """
        code = fingerprint(self._home)
        if code is None:
            is_known = self._is_tried or not installed(self._home.tentacles_folder)
        else:
            is_known = kept(self._home, code) is not None
        if not is_known:
            self._ask(code)

    def _told(self) -> dict[str, Any]:
        code = fingerprint(self._home)
        found = {} if code is None else kept(self._home, code)
        if found is None:
            detail = "The tentacles are being asked for the schemas of their settings."
            raise Overloaded(detail, code="schemas_pending", retry_after=AGAIN_SECONDS)
        return found

    def _ask(self, code: str | None) -> None:
        command = [sys.executable, "-m", "engine.tentacles", str(self._home.root)]
        environment = bare_environment()
        quiet: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        try:
            subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=SECONDS, **quiet)
        except (subprocess.SubprocessError, OSError) as error:
            _logger.warning("the tentacles do not tell their settings: %s", type(error).__name__)
            self._is_tried = True
            if code is not None:
                keep(self._home, code, {})
