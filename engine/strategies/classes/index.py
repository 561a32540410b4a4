"""An index: a basket of coins that is rebalanced to its weights."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar

from msgspec import Meta

from engine.strategies.mode import StrategyMode, Window
from engine.strategies.settings import Settings, Timeframe, number
from engine.strategies.view import Place, Step, View
from utils.money import HUNDRED, ONE, ZERO, round_down

RESERVE = Decimal("0.998")
"""What is spread; the rest pays fees and the difference to the price that orders fill at."""
Weight = Annotated[Decimal, number("Part of the whole, beside those of the others.", low="0.001", high="1000000")]


class IndexSettings(Settings, frozen=True, kw_only=True):
    """How the basket is made up, and how far it may drift."""

    timeframe: Annotated[Timeframe, Meta(description="How often it is looked at.")] = "1h"
    threshold_percent: Annotated[
        Decimal, number("Drift of a share, in percent of the whole, that is put right.", low="0.1", high="50")
    ] = Decimal(5)
    weights: Annotated[dict[str, Weight], Meta(description="By symbol; all alike when absent.")] = {}


class Index(StrategyMode):
    """Index.

    Spreads the funding over a basket by weights. When a candle closes and a share has drifted further than the
    threshold from its weight, all are brought back: what is too much is sold, then what is too little bought.
    """

    NAME = "index"
    BASKET = True
    SETTINGS: ClassVar[type[Settings]] = IndexSettings

    @staticmethod
    def check(settings: IndexSettings, markets: list[str]) -> None:
        """Hold weights against the basket. :raises ValueError: one names a market that is not in it, or lacks one."""
        if settings.weights and settings.weights.keys() != set(markets):
            raise ValueError("weights must name each market of the basket, and no other")

    @staticmethod
    def window(settings: IndexSettings) -> Window:
        """Return one candle, for its time."""
        return Window(settings.timeframe, 1)

    @staticmethod
    def decide(settings: IndexSettings, view: View) -> Iterator[Step]:
        """Bring back the shares when one of them has drifted too far."""
        values = {symbol: view.totals[market.base] * view.prices[symbol] for symbol, market in view.markets.items()}
        whole = sum(values.values(), view.totals[view.market.quote])
        weights = {symbol: settings.weights.get(symbol, ONE) for symbol in view.markets}
        parts = sum(weights.values(), ZERO)
        missing = {symbol: whole * RESERVE * weights[symbol] / parts - value for symbol, value in values.items()}
        if max(abs(gap) for gap in missing.values()) * HUNDRED <= settings.threshold_percent * whole:
            return
        # the dearest sale first, then the purchases that it pays for
        for symbol, gap in sorted(missing.items(), key=lambda each: each[1]):
            market, price = view.markets[symbol], view.prices[symbol]
            amount = round_down(abs(gap) / price, market.amount_step)
            if amount < market.min_amount or amount * price < market.min_cost:
                continue
            yield Place(
                level=market.base,
                generation=view.candle,
                side="buy" if gap > 0 else "sell",
                symbol=symbol,
                amount=amount,
            )
