"""The trading modes that are installed in the bot's home, as classes of strategies."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from contextlib import suppress
from typing import Any

import msgspec

from engine.strategies.settings import refused
from utils.errors import Overloaded, Refused, TradingError
from utils.home import Home
from utils.home.asking import run_beside, told
from utils.home.checking import check_settings
from utils.home.schemas import fingerprint, kept
from utils.home.tentacles import MODE, Tentacle, installed
from utils.wire import StrategyClass

ORIGIN = "tentacles"
"""Of classes that are installed in the bot's home; `tentacles:GridTradingMode` is `GridTradingMode`."""
NAME_LENGTH = 64
RECENT_SECONDS = 5.0
"""What was read of the home counts for so long."""
WAIT_SECONDS = 2.0
"""How long a listing waits while the tentacles are being installed and asked for their settings."""
AGAIN_SECONDS = 3
INSTALL_SECONDS = ASK_SECONDS = 300.0
"""How long that may take on a busy machine, where nobody waits for it; some seconds elsewhere."""
_ANYTHING: dict[str, Any] = {"type": "object"}
_log = logging.getLogger(__name__)


class Installed(msgspec.Struct, frozen=True):
    """An installed trading mode: what its settings must be, and what they are where nothing else is said."""

    name: str
    description: str
    schema: dict[str, Any]
    defaults: dict[str, Any]

    def read(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return all settings, the defaults where nothing is given. :raises Refused: `invalid_settings`."""
        known = self.schema.get("properties", {}).keys() | self.defaults.keys()
        for name in given:
            if known and name not in known:
                raise refused(name, "There is no such setting")
        settings = {**self.defaults, **_typed(self.schema, given)}
        try:
            check_settings(self.schema, settings)
        except Refused as error:
            raise Refused(error.detail, code="invalid_settings", errors=error.errors) from None
        return settings

    def described(self) -> StrategyClass:
        """Describe it."""
        return StrategyClass(
            name=self.name,
            origin=ORIGIN,
            title=self.name,
            description=self.description,
            basket=True,
            settings=self.schema,
            defaults=self.defaults,
        )


class Catalogue:
    """Know the installed trading modes; OctoBot installs them and their code is asked beside everything else."""

    def __init__(self, home: Home, taken: frozenset[str]) -> None:
        """Read `home`; `taken` are names, in lower case, that mean classes of ours."""
        self._home = home
        self._taken = taken
        self._known: dict[str, Installed] = {}
        self._read_at: float | None = None
        self._asking: asyncio.Task[None] | None = None
        self._asked: str | None = None

    async def all(self) -> dict[str, Installed]:
        """Return the modes by name; without those that are being installed for longer than a caller waits."""
        await self._look()
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=WAIT_SECONDS)
            await self._look()
        return self._known

    async def find(self, name: str) -> Installed | None:
        """Return a mode, None when there is none of this name.

        :raises Overloaded: `tentacles_pending` while it cannot be told yet.
        """
        found = (await self.all()).get(name.removeprefix(f"{ORIGIN}:"))
        if found is None and self._asking is not None:
            detail = "The tentacles of this installation are being asked for their settings."
            raise Overloaded(detail, code="tentacles_pending", retry_after=AGAIN_SECONDS)
        return found

    async def close(self) -> None:
        """Wait for what is being asked."""
        if self._asking is not None:
            await asyncio.wait([self._asking])

    async def _look(self) -> None:
        now = time.monotonic()
        if self._asking is not None:
            if not self._asking.done():
                return
            self._asking = self._read_at = None
        if self._read_at is not None and now < self._read_at + RECENT_SECONDS:
            return
        self._read_at = now
        modes, code, schemas = await asyncio.to_thread(self._read)
        if modes and schemas is None and self._asked != str(code):
            self._asked = str(code)
            self._asking = asyncio.create_task(asyncio.to_thread(self._ask), name="tentacles")
            return
        self._known = {mode.name: _installed(mode, schemas or {}) for mode in modes if self._is_free(mode.name)}

    def _read(self) -> tuple[list[Tentacle], str | None, dict[str, Any] | None]:
        modes = [each for each in installed(self._home.tentacles_folder).values() if each.type == MODE]
        code = fingerprint(self._home) if modes else None
        return modes, code, None if code is None else kept(self._home, code)

    def _ask(self) -> None:
        """Install what is only unpacked, and ask for the schemas; other code alone is asked again if that fails."""
        try:
            run_beside("engine.tentacles.install", str(self._home.root), seconds=INSTALL_SECONDS)
            told(self._home, ASK_SECONDS)
        except (subprocess.SubprocessError, OSError, TradingError) as error:
            _log.warning("the tentacles of %s cannot be used: %s", self._home.root, error)

    def _is_free(self, name: str) -> bool:
        return name.lower() not in self._taken and len(name) <= NAME_LENGTH


def _installed(mode: Tentacle, schemas: dict[str, Any]) -> Installed:
    schema = mode.schema() or schemas.get(mode.name) or _ANYTHING
    return Installed(mode.name, _first_paragraph(mode.description()), schema, mode.defaults())


def _first_paragraph(text: str) -> str:
    """Return the first paragraph of a Markdown text that is no heading."""
    paragraphs = (" ".join(each.split()) for each in text.replace("\r", "").split("\n\n"))
    return next((each for each in paragraphs if each and not each.startswith("#")), "")


def _typed(schema: Any, value: Any) -> Any:
    """Return a value with numbers where its schema wants them: decimals travel as text, to keep their digits."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, dict):
        inner = schema.get("properties", {})
        return {name: _typed(inner.get(name), each) for name, each in value.items()}
    if isinstance(value, list):
        return [_typed(schema.get("items"), each) for each in value]
    if isinstance(value, str) and schema.get("type") in {"number", "integer"}:
        with suppress(ValueError):
            number = float(value)
            return int(number) if number.is_integer() else number
    return value
