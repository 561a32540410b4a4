"""Mean reversion by the relative strength index."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar

from msgspec import Meta

from engine.strategies.indicators import WARM_UP, rsi
from engine.strategies.mode import StrategyMode, Window
from engine.strategies.settings import Settings, Share, Timeframe, number
from engine.strategies.view import Place, Step, View

MOST_PERIODS = 100


class RsiSettings(Settings, frozen=True, kw_only=True):
    """What counts as too cheap and as dear again, and how much is bought."""

    timeframe: Annotated[Timeframe, Meta(description="Length of a candle.")] = "1h"
    period: Annotated[int, Meta(ge=2, le=MOST_PERIODS, description="Candles of the index.")] = 14
    oversold: Annotated[Decimal, number("Buys when the index is below.", low="1", high="99")] = Decimal(30)
    overbought: Annotated[Decimal, number("Sells when the index is above.", low="1", high="99")] = Decimal(70)
    share_percent: Share = Decimal(100)

    def check(self) -> None:
        """Hold the bounds against each other. :raises ValueError: they are the wrong way round."""
        if self.oversold >= self.overbought:
            raise ValueError("oversold must be below overbought")


class Rsi(StrategyMode):
    """Mean reversion by the relative strength index.

    Buys when Wilder's index of the closes says that the market has fallen too far, and sells all when it has risen too
    far. Acts when a candle has closed, at the market.
    """

    NAME = "rsi"
    SETTINGS: ClassVar[type[Settings]] = RsiSettings

    @staticmethod
    def window(settings: RsiSettings) -> Window:
        """Return so many candles that the first ones do not matter."""
        return Window(settings.timeframe, settings.period * WARM_UP + 1)

    @staticmethod
    def decide(settings: RsiSettings, view: View) -> Iterator[Step]:
        """Buy low, sell high."""
        index = rsi(view.closes, settings.period)
        if not index:
            return
        held = view.sellable()
        if index[-1] < settings.oversold and not held:
            budget = view.budget(settings.share_percent)
            yield Place(level="buy", generation=view.candle, side="buy", symbol=view.symbol, quote_amount=budget)
        elif index[-1] > settings.overbought and held:
            yield Place(level="sell", generation=view.candle, side="sell", symbol=view.symbol, amount=held)
