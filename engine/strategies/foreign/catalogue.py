"""The trading modes that are installed in the bot's home, as classes of strategies."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import Any

import msgspec

from engine.strategies.settings import refused
from utils.errors import Overloaded, Refused
from utils.home import Home
from utils.home.checking import check_settings
from utils.home.schemas import fingerprint, kept
from utils.home.tentacles import MODE, Tentacle, installed
from utils.wire import StrategyClass

ORIGIN = "tentacles"
"""Of classes that are installed in the bot's home; `tentacles:GridTradingMode` is `GridTradingMode`."""
NAME_LENGTH = 64
RECENT_SECONDS = 5.0
"""What was read of the home counts for so long."""
AGAIN_SECONDS = 5
_ANYTHING: dict[str, Any] = {"type": "object"}


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
    """Know the installed trading modes. The worker lets OctoBot install them and asks their code for settings."""

    def __init__(self, home: Home, taken: frozenset[str]) -> None:
        """Read `home`; `taken` are names, in lower case, that mean classes of ours."""
        self._home = home
        self._taken = taken
        self._known: dict[str, Installed] = {}
        self._is_pending = False
        self._read_at: float | None = None

    async def all(self) -> dict[str, Installed]:
        """Return the modes by name; while new code is being asked, those that were known before."""
        now = time.monotonic()
        if self._read_at is None or now >= self._read_at + RECENT_SECONDS:
            self._read_at = now
            modes, schemas = await asyncio.to_thread(self._read)
            self._is_pending = bool(modes) and schemas is None
            if not self._is_pending:
                self._known = {each.name: _installed(each, schemas or {}) for each in modes if self._is_free(each.name)}
        return self._known

    async def find(self, name: str) -> Installed | None:
        """Return a mode, None when there is none of this name.

        :raises Overloaded: `tentacles_pending` while it cannot be told yet.
        """
        found = (await self.all()).get(name.removeprefix(f"{ORIGIN}:"))
        if found is None and self._is_pending:
            detail = "The tentacles of this installation are being asked for their settings."
            raise Overloaded(detail, code="tentacles_pending", retry_after=AGAIN_SECONDS)
        return found

    def _read(self) -> tuple[list[Tentacle], dict[str, Any] | None]:
        """Return the modes, and the schemas that their code has told: None when it has not been asked yet."""
        modes = [each for each in installed(self._home.tentacles_folder).values() if each.type == MODE]
        code = fingerprint(self._home) if modes else None
        return modes, None if code is None else kept(self._home, code)

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
        with suppress(ValueError, OverflowError):
            number = float(value)
            if math.isfinite(number):
                return int(number) if number.is_integer() else number
    return value
