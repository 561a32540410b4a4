"""Crossover of two moving averages."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from engine.strategies.indicators import WARM_UP, ema, sma
from engine.strategies.mode import StrategyMode, Window
from engine.strategies.settings import Settings, Share, Timeframe
from engine.strategies.view import Place, Step, View


class CrossoverSettings(Settings, frozen=True, kw_only=True):
    """Which averages of which candles are compared, and how much is bought."""

    timeframe: Annotated[Timeframe, Meta(description="Length of a candle.")] = "1h"
    average: Annotated[Literal["sma", "ema"], Meta(description="Simple or exponential average.")] = "ema"
    fast: Annotated[int, Meta(ge=2, le=200, description="Candles of the fast average.")] = 12
    slow: Annotated[int, Meta(ge=3, le=400, description="Candles of the slow average.")] = 26
    share_percent: Share = Decimal(100)

    def check(self) -> None:
        """Hold the averages against each other. :raises ValueError: the fast one is not faster."""
        if self.fast >= self.slow:
            raise ValueError("fast must be smaller than slow")


class Crossover(StrategyMode):
    """Crossover of moving averages.

    Holds coins while the fast average of the closes is above the slow one, and none while it is below. Acts when a
    candle has closed, at the market.
    """

    NAME = "crossover"
    SETTINGS: ClassVar[type[Settings]] = CrossoverSettings

    @staticmethod
    def window(settings: CrossoverSettings) -> Window:
        """Return as many candles as the slow average needs."""
        return Window(settings.timeframe, settings.slow * (WARM_UP if settings.average == "ema" else 1) + 1)

    @staticmethod
    def decide(settings: CrossoverSettings, view: View) -> Iterator[Step]:
        """Buy above, sell below."""
        average = sma if settings.average == "sma" else ema
        fast, slow = average(view.closes, settings.fast), average(view.closes, settings.slow)
        if not slow:
            return
        held = view.sellable()
        if fast[-1] > slow[-1] and not held:
            budget = view.budget(settings.share_percent)
            yield Place(level="buy", generation=view.candle, side="buy", symbol=view.symbol, quote_amount=budget)
        elif fast[-1] < slow[-1] and held:
            yield Place(level="sell", generation=view.candle, side="sell", symbol=view.symbol, amount=held)
