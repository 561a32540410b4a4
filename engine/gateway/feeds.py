"""What depends on one market: its price stream, and the accounts that its ticks touch."""

from __future__ import annotations

import asyncio

from config import Settings
from engine.desk.ticks import Spawn, Ticks
from engine.exchanges.market import ExchangeMarket
from engine.exchanges.source import ExchangeSource
from engine.markets.market import Market
from engine.markets.prices import PriceStream
from engine.markets.source import Quote


class Feed:
    """Pass on what a market's ticks change: to the stream first, then to the accounts."""

    def __init__(self, market: Market, prices: PriceStream, ticks: Ticks, spawn: Spawn) -> None:
        self.market = market
        self._prices = prices
        self._spawn = spawn
        self._tasks: list[asyncio.Task[None]] = []
        self.ticks = ticks
        market.listen(self._publish)
        market.listen(self.ticks.touch)

    def start(self, *, ticking: bool) -> None:
        """Begin to follow the market; `ticking` False leaves its ticks to the caller."""
        self._tasks.append(self._spawn(self.ticks.store_levels(), f"levels of {self.market.exchange}"))
        if ticking:
            self._tasks.append(self._spawn(self.market.run(), f"market of {self.market.exchange}"))

    async def stop(self) -> None:
        """Follow the market no more, and close the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.ticks.store_levels_once()
        await self.market.close()

    async def _publish(self, quotes: list[Quote]) -> None:
        self._prices.publish([self.market.price(quote) for quote in quotes])


def exchange_market(name: str, settings: Settings) -> Market:
    """Return the market of a real exchange; nothing is asked of it yet."""
    return ExchangeMarket(
        ExchangeSource(name, settings), settings.market_poll_seconds, mute_seconds=settings.market_mute_seconds
    )
