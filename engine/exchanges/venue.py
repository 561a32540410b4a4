"""A real exchange, shared by all accounts of this installation: its markets, and its clock's offset."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import ccxt

from config import Settings
from engine.exchanges.client import connect
from engine.exchanges.instruments import instruments
from utils.errors import EngineUnavailable
from utils.wire import AccountType, Instrument

_log = logging.getLogger(__name__)
CLOCK_SECONDS = 300.0
"""How often the exchange's clock is looked at."""
LOAD_SECONDS = 10.0
FAILED_SECONDS = 1.0
"""How long a failure to load counts for those who come next."""
_lent: ContextVar[Any] = ContextVar("lent", default=None)
"""The client whose markets the connectors take over that OctoBot builds in the running task."""


class Venue:
    """Load an exchange's markets once, with a client without keys."""

    def __init__(self, exchange: str, settings: Settings, kind: AccountType = "spot") -> None:
        self.exchange = exchange
        self.kind = kind
        self._settings = settings
        self._client: Any = None
        self._loading = asyncio.Lock()
        self._clock_read_at = 0.0
        self._failed_until = 0.0

    async def load(self) -> None:
        """Make the markets and the clock known. :raises EngineUnavailable: the exchange does not answer."""
        async with self._loading:
            if self._client is None and time.monotonic() < self._failed_until:
                raise self._unavailable()  # those who waited for a failure do not begin another one each
            if self._client is None:
                client = connect(self.exchange, self._settings, kind=self.kind)
                try:
                    await asyncio.wait_for(client.load_markets(), LOAD_SECONDS)
                except Exception as error:
                    await client.close()
                    self._failed_until = time.monotonic() + FAILED_SECONDS
                    _log.warning("the markets of %s cannot be loaded: %s", self.exchange, error)
                    raise self._unavailable() from error
                self._client = client
                self._clock_read_at = time.monotonic()

    def _unavailable(self) -> EngineUnavailable:
        detail = f"{self.exchange} does not answer; nothing was done."
        return EngineUnavailable(detail, code="exchange_unavailable", retry_after=5)

    async def follow_clock(self, *, now: bool = False) -> None:
        """Measure the exchange's clock again when that was long ago, or at once; a failure leaves what was known."""
        if self._client is None or (not now and time.monotonic() - self._clock_read_at < CLOCK_SECONDS):
            return
        self._clock_read_at = time.monotonic()
        try:
            await asyncio.wait_for(self._client.load_time_difference(), LOAD_SECONDS)
        except (ccxt.BaseError, TimeoutError) as error:
            _log.warning("the clock of %s cannot be read: %s", self.exchange, error)

    def instruments(self) -> list[Instrument]:
        """Return the markets; `load` comes first."""
        return instruments(self._client)

    def equip(self, client: Any) -> None:
        """Give a client of the same exchange its markets and clock."""
        client.set_markets_from_exchange(self._client)
        self.set_clock(client)

    def set_clock(self, client: Any) -> None:
        """Tell `client` how far the exchange's clock is off."""
        if "timeDifference" in self._client.options:
            client.options["timeDifference"] = self._client.options["timeDifference"]

    @contextmanager
    def lending(self) -> Iterator[None]:
        """Let the connectors that OctoBot builds meanwhile take over these markets instead of loading them."""
        token = _lent.set(self._client)
        try:
            yield
        finally:
            _lent.reset(token)

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await self._client.close()


def lent(exchange: str) -> Any:
    """Return the client that is being lent for an exchange, None when there is none."""
    client = _lent.get()
    return client if client is not None and client.id == exchange else None
