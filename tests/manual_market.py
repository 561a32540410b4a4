"""A market whose prices stand where a test puts them."""

from __future__ import annotations

import time
from decimal import Decimal

from engine.demo.generator import DemoMarket
from engine.demo.source import Quote



class ManualMarket(DemoMarket):
    """The demo exchange's instruments, with quotes that only move when told."""

    def __init__(self) -> None:
        super().__init__(7, time.time())
        self._prices = {symbol: super(ManualMarket, self).quote(symbol, time.time()).price for symbol in self.symbols}

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Put the price of `symbol`."""
        self._prices[symbol] = price

    def quote(self, symbol: str, at: float) -> Quote:
        """Return the price that was put, one tick between it and each side of the book."""
        tick = next(market.price_tick for market in self.instruments() if market.symbol == symbol)
        price = self._prices[symbol]
        return Quote(symbol=symbol, price=price, bid=price - tick, ask=price + tick, at=at)
