"""A live account inside OctoBot: a real `ExchangeManager` with our `LiveTrader`, and a portfolio that we keep exact.

Nothing is asked of the exchange while it is built: markets and clock come from the exchange's `Venue`, and the keys
are handed to the ccxt client alone. They never enter OctoBot's configuration, and its own first look at the account
(which falls back to a client without keys when it fails) does not take place.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Self

import octobot_trading.api as trading_api
from octobot_trading.personal_data import SpotAsset

from engine.accounts.octobot import OctoBotAccount, bot_config, of_opening, without_pollers
from engine.exchanges.breaker import Breaker
from engine.exchanges.venue import Venue
from engine.journal.records import AccountRecord
from engine.live.timing import Timing
from engine.live.trader import LiveTrader
from utils import wire
from utils.money import ZERO


class LiveOctoBot(OctoBotAccount):
    """Hold what a live account has, and reach its exchange through `trader`."""

    TRADER = LiveTrader

    trader: LiveTrader
    orders: dict[str, wire.Order]
    trades: dict[str, wire.Trade]

    @classmethod
    async def connect(cls, venue: Venue, symbols: list[str], record: AccountRecord, timing: Timing) -> Self:
        """Build the account, without keys; see the module."""
        config = bot_config(venue.exchange, symbols, record.reference_currency, cls.EXCHANGE_TYPE)
        config["trader"]["enabled"], config["trader-simulator"]["enabled"] = True, False
        builder = trading_api.create_exchange_builder(config, venue.exchange)
        builder.is_real().is_rest_only().disable_trading_mode().enable_storage(False)
        builder.is_using_exchange_type(cls.EXCHANGE_TYPE)
        builder.set_bot_id(of_opening(record.id))
        trader = cls.TRADER(config, builder.exchange_manager)
        trader.timing = timing
        trader.breaker = Breaker(venue.exchange, timing.breaker_failures, timing.breaker_open)
        builder.exchange_manager.trader = trader
        with venue.lending(), without_pollers():
            manager = await builder.build()
        manager.exchange_personal_data.orders_manager.enable_order_auto_synchronization = False
        venue.equip(trader.client)
        if timing.window is not None and "recvWindow" in trader.client.options:
            trader.client.options["recvWindow"] = int(timing.window * 1000)
        account = cls(manager)
        account.trader = trader
        account.orders, account.trades = {}, {}
        return account

    def put(self, currency: str, total: Decimal, locked: Decimal) -> None:
        """Set what the account has of `currency`."""
        free = max(total - locked, ZERO)
        assets = self._manager.exchange_personal_data.portfolio_manager.portfolio.portfolio
        if currency in assets:
            assets[currency].set(free, total)
        else:
            assets[currency] = SpotAsset(currency, free, total)

    def open_order_ids(self) -> list[str]:
        """Return the ids of the open orders."""
        return list(self.orders)

    def trade_ids(self) -> list[str]:
        """Return the ids of the fills since the account came into memory, oldest first."""
        return list(self.trades)
