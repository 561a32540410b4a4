"""Dollar cost averaging: the same purchase at regular intervals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar

from msgspec import Meta

from engine.strategies.mode import StrategyMode, Window
from engine.strategies.settings import OrderValue, Settings, Timeframe
from engine.strategies.view import Place, Step, View
from utils.wire import TIMEFRAMES


class DcaSettings(Settings, frozen=True, kw_only=True):
    """How often to buy, and how much."""

    timeframe: Annotated[Timeframe, Meta(description="Length of a candle.")] = "1h"
    every: Annotated[int, Meta(ge=1, le=1_000, description="Candles between two purchases.")] = 24
    order_value: OrderValue = Decimal(10)


class Dca(StrategyMode):
    """Dollar cost averaging.

    Buys for `order_value` at the market every so many candles, the first time at once, whatever the price is. What was
    due while the strategy did not run is left out. Without money it waits for more.
    """

    NAME = "dca"
    SETTINGS: ClassVar[type[Settings]] = DcaSettings

    @staticmethod
    def window(settings: DcaSettings) -> Window:
        """Return one candle, for its time."""
        return Window(settings.timeframe, 1)

    @staticmethod
    def decide(settings: DcaSettings, view: View) -> Iterator[Step]:
        """Buy once in each slot of `every` candles, counted from 1970."""
        slot = str(int(view.candle) // TIMEFRAMES[settings.timeframe] // settings.every)
        last = view.latest("buy")
        if last is None or last.generation != slot:
            yield Place(level="buy", generation=slot, side="buy", symbol=view.symbol, quote_amount=settings.order_value)
