"""Open live accounts: the exchange they are at, the keys they trade with, and the books as SQL has them."""

from __future__ import annotations

import asyncio
from collections.abc import Container

from config import Settings
from engine.exchanges import registry
from engine.exchanges.venue import Venue
from engine.futures.markets import tradable
from engine.journal.records import AccountRecord, Records
from engine.live.account import LiveAccount
from engine.live.futures.account import LiveFuturesAccount
from engine.live.futures.octobot import LiveFuturesOctoBot
from engine.live.keys import Keys
from engine.live.octobot import LiveOctoBot
from engine.live.spot import LiveSpotAccount
from engine.live.timing import Timing
from engine.markets.market import Market
from engine.orders.risk import Gate
from utils.errors import EngineUnavailable
from utils.vault import Vault
from utils.wire import AccountType


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
        self._venues: dict[tuple[str, AccountType], Venue] = {}

    def venue(self, exchange: str, kind: AccountType = "spot") -> Venue:
        """Return an exchange's spot markets or its perpetuals.

        :raises EngineUnavailable: `exchange_not_connected` when it is not.
        """
        if exchange == "demo" or exchange not in self._exchanges:
            raise EngineUnavailable(f"The exchange {exchange} is not connected.", code="exchange_not_connected")
        return self._venues.setdefault((exchange, kind), Venue(exchange, self._settings, kind))

    async def open(self, record: AccountRecord, market: Market, gate: Gate) -> LiveAccount:
        """Build the account.

        :raises EngineUnavailable: its exchange is not connected or has never answered yet. :raises NotReady: its keys
            cannot be read.
        """
        venue = self.venue(record.exchange, record.type)
        registry.register(record.exchange, self._settings)
        await venue.load()
        keys = Keys(self._records, self._vault, record.id)
        enabled = self._settings.live_trading_enabled
        # one pair is enough for OctoBot; the ccxt client knows all of them
        octobot: LiveOctoBot
        account: LiveAccount
        if record.type == "futures":
            perpetuals = list(tradable(market, record.reference_currency))[:1]
            octobot = futures = await LiveFuturesOctoBot.connect(venue, perpetuals, record, self._timing)
            account = LiveFuturesAccount(record, market, futures, venue, enabled=enabled)
            account.records = self._records
        else:
            pairs = [symbol for symbol, each in market.instruments.items() if each.type == "spot"][:1]
            octobot = await LiveOctoBot.connect(venue, pairs, record, self._timing)
            account = LiveSpotAccount(record, market, octobot, venue, enabled=enabled)
        account.gate, account.keys = gate, keys
        try:
            await keys.renew(octobot.trader.client)
        except BaseException:
            await octobot.close()
            raise
        return account

    async def leave(self, exchange: str) -> None:
        """Close the connection to an exchange whose accounts are closed."""
        for key in [key for key in self._venues if key[0] == exchange]:
            await self._venues.pop(key).close()

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(venue.close() for venue in self._venues.values()))
