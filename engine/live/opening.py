"""Open live accounts: the exchange they are at, the keys they trade with, and the books as SQL has them."""

from __future__ import annotations

import asyncio
from collections.abc import Container

from config import Settings
from engine.exchanges.venue import Venue
from engine.live.account import LiveAccount
from engine.live.keys import Keys
from engine.live.octobot import LiveOctoBot
from engine.live.timing import Timing
from engine.market import Market
from engine.records import AccountRecord, Records
from engine.risk import Gate
from utils.errors import EngineUnavailable
from utils.vault import Vault


class LiveAccounts:
    """Build live accounts; each exchange's markets are loaded once for all of them."""

    def __init__(
        self, settings: Settings, records: Records, exchanges: Container[str], timing: Timing | None = None
    ) -> None:
        self._settings = settings
        self._records = records
        self._exchanges = exchanges
        self._timing = timing or Timing()
        self._vault = Vault.of(settings.encryption_keys)
        self._venues: dict[str, Venue] = {}

    def venue(self, exchange: str) -> Venue:
        """Return the exchange. :raises EngineUnavailable: `exchange_not_connected` when it is not."""
        if exchange == "demo" or exchange not in self._exchanges:
            raise EngineUnavailable(f"The exchange {exchange} is not connected.", code="exchange_not_connected")
        return self._venues.setdefault(exchange, Venue(exchange, self._settings))

    async def open(self, record: AccountRecord, market: Market, gate: Gate) -> LiveAccount:
        """Build the account.

        :raises EngineUnavailable: its exchange is not connected or has never answered yet. :raises NotReady: its keys
            cannot be read.
        """
        venue = self.venue(record.exchange)
        await venue.load()
        keys = Keys(self._records, self._vault, record.id)
        enabled = self._settings.live_trading_enabled
        # one pair is enough for OctoBot; the ccxt client knows all of them
        octobot = await LiveOctoBot.connect(venue, list(market.instruments)[:1], record, self._timing)
        account = LiveAccount(record, market, octobot, venue, enabled=enabled)
        account.gate, account.keys = gate, keys
        try:
            await keys.renew(octobot.trader.client)
        except BaseException:
            await octobot.close()
            raise
        return account

    async def leave(self, exchange: str) -> None:
        """Close the connection to an exchange whose accounts are closed."""
        venue = self._venues.pop(exchange, None)
        if venue is not None:
            await venue.close()

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(venue.close() for venue in self._venues.values()))
