"""A market on this machine: its source's answers are computed in threads, beside the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal

from engine.markets.market import Market, chosen, moment
from engine.markets.source import MarketSource
from utils.wire import (
    CandleSeries,
    GetCandles,
    GetMarketTrades,
    GetOptionChain,
    GetOrderBook,
    MarketTrades,
    OptionChain,
    OrderBook,
)


class LocalMarket(Market):
    """Answer from a `MarketSource`, always as of the last tick.

    Not as of now: a price from after the last tick, at which orders do not fill yet, would be a look into the future.

    One thread works it all out: several would only take turns with each other, and with the event loop more often.
    """

    def __init__(self, source: MarketSource, tick_seconds: float, clock: Callable[[], float] = time.time) -> None:
        super().__init__(source, tick_seconds, clock)
        self._local = source
        self._thread = ThreadPoolExecutor(1, f"market of {source.exchange}")
        self._chains: dict[str, tuple[float, OptionChain]] = {}

    def mark_at(self, symbol: str, at: datetime) -> Decimal:
        """Return the mark of a moment that is past: the source knows all of them."""
        return self._local.quote(self.instrument(symbol).symbol, at.timestamp()).mark

    async def candles(self, query: GetCandles) -> CandleSeries:
        """Return candles; the first look far back takes up to a second."""
        self.instrument(query.symbol)
        return await self._work_out(self._candles, query)

    async def order_book(self, query: GetOrderBook) -> OrderBook:
        """Return the best offers."""
        self.instrument(query.symbol)
        return self._local.order_book(query.symbol, query.depth, self._seen_at())

    async def trades(self, query: GetMarketTrades) -> MarketTrades:
        """Return the latest trades."""
        self.instrument(query.symbol)
        return await self._work_out(self._trades, query)

    async def option_chain(self, query: GetOptionChain) -> OptionChain:
        """Return the options on a market."""
        self.instrument(query.symbol)
        return await self._work_out(self._chain, query)

    async def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=False)

    async def _work_out[Query, Answer](self, answer: Callable[[Query], Answer], query: Query) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, answer, query)

    def _candles(self, query: GetCandles) -> CandleSeries:
        at = self._seen_at()
        # one more than is wanted tells whether there are others
        found = self._local.candles(
            query.symbol,
            query.timeframe,
            limit=query.limit + 1,
            since=query.since,
            until=query.until,
            at=at,
        )
        candles = found[-query.limit :] if query.since is None else found[: query.limit]
        return CandleSeries(
            candles=candles,
            more=len(found) > query.limit,
            settled=bool(candles) and candles[-1].closed,
            as_of=moment(self._local.made_at(at)),
        )

    def _trades(self, query: GetMarketTrades) -> MarketTrades:
        at = self._seen_at()
        found = self._local.trades(query.symbol, query.limit, at)
        return MarketTrades(trades=found[::-1], as_of=moment(self._local.made_at(at)))

    def _chain(self, query: GetOptionChain) -> OptionChain:
        at = self._seen_at()
        kept = self._chains.get(query.symbol)
        if kept is None or kept[0] != at:
            kept = self._chains[query.symbol] = (at, self._local.option_chain(query.symbol, at))
        return chosen(kept[1], query)
