"""What hangs on one market: its price stream, and the accounts that its ticks touch."""

from __future__ import annotations

from config import DEMO, Settings
from engine.accounts import Accounts
from engine.demo.source import Quote
from engine.desk import Desk
from engine.exchanges.market import ExchangeMarket
from engine.exchanges.source import ExchangeSource
from engine.market import Market
from engine.prices import PriceStream
from engine.ticks import Spawn, Ticks
from engine.triggers import Triggers


class Feed:
    """Pass on what a market's ticks change: to the stream first, then to the accounts."""

    def __init__(self, market: Market, triggers: Triggers, accounts: Accounts, desk: Desk, spawn: Spawn) -> None:
        self.market = market
        self.prices = PriceStream(market.exchange)
        self.ticks = Ticks(market, triggers, accounts, desk, spawn)
        market.listen(self._publish)
        market.listen(self.ticks.touch)

    async def _publish(self, quotes: list[Quote]) -> None:
        self.prices.publish([self.market.price(quote) for quote in quotes])


def exchange_markets(settings: Settings) -> list[Market]:
    """Return the markets of the real exchanges that the installation has; nothing is asked of them yet."""
    return [
        ExchangeMarket(
            ExchangeSource(name, settings),
            settings.market_poll_seconds,
            mute_seconds=settings.market_mute_seconds,
        )
        for name in settings.exchanges
        if name != DEMO
    ]
