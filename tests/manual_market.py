"""A market whose prices stand where a test puts them."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.demo.catalogue import FUNDING_SECONDS
from engine.demo.generator import DemoMarket
from engine.markets.source import Quote
from utils.wire import Candle, Level, OrderBook, Ticker


class ManualMarket(DemoMarket):
    """The demo exchange's instruments and past, with a present that only moves when told."""

    def __init__(self, funding_seconds: int = FUNDING_SECONDS) -> None:
        super().__init__(7, time.time(), funding_seconds)
        self._funding_rates: dict[str, Decimal] = {}
        now = time.time()
        self._seen: dict[str, list[Decimal]] = {}
        self._ticks = {market.symbol: market.price_tick for market in self.instruments()}
        self._prices = {symbol: super(ManualMarket, self).quote(symbol, now).price for symbol in self.symbols}

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Put the price of `symbol`."""
        self._prices[symbol] = price
        self._seen.setdefault(symbol, []).append(price)

    def set_funding_rate(self, symbol: str, rate: Decimal) -> None:
        """Put the funding rate of `symbol`, at all times."""
        self._funding_rates[symbol] = rate

    def funding_rate(self, symbol: str, at: float) -> Decimal:
        """Return the funding rate that was put, none otherwise: a test may run when a funding is due."""
        return self._funding_rates.get(symbol, Decimal(0))

    def quote(self, symbol: str, at: float) -> Quote:
        """Return the price that was put, one tick between it and each side of the book."""
        price, tick = self._prices[symbol], self._ticks[symbol]
        return Quote(symbol=symbol, price=price, bid=price - tick, ask=price + tick, at=at)

    def ticker(self, symbol: str, at: float) -> Ticker:
        """Return the demo market's day, ending at the price that was put."""
        ticker, quote = super().ticker(symbol, at), self.quote(symbol, at)
        high, low = max(ticker.high, quote.price), min(ticker.low, quote.price)
        return replace(
            ticker,
            last=quote.price,
            mark_price=ticker.mark_price and quote.price,
            bid=quote.bid,
            ask=quote.ask,
            high=high,
            low=low,
        )

    def order_book(self, symbol: str, depth: int, at: float) -> OrderBook:
        """Return the demo market's offers, moved to the price that was put."""
        book = super().order_book(symbol, depth, at)
        moved = self._prices[symbol] - super().quote(symbol, at).price
        bids, asks = (tuple(Level(each.price + moved, each.amount) for each in side) for side in (book.bids, book.asks))
        return replace(book, bids=bids, asks=asks)

    def candles(self, symbol: str, timeframe: str, *, at: float, **query: Any) -> list[Candle]:
        """Return the demo market's candles, the running one ending at the price that was put."""
        candles = super().candles(symbol, timeframe, at=at, **query)
        if candles and not candles[-1].closed:
            last, price = candles[-1], self._prices[symbol]
            seen = (*self._seen.get(symbol, ()), price)
            candles[-1] = replace(last, close=price, high=max(last.high, *seen), low=min(last.low, *seen))
        return candles
