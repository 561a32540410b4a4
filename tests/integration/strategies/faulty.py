"""Strategies that fail in their own ways."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import ClassVar, Literal

from engine.strategies.mode import StrategyMode
from engine.strategies.settings import Settings
from engine.strategies.view import Place, Step, View

FAULT = "the strategy's own fault"


class FaultySettings(Settings, frozen=True, kw_only=True):
    """How to fail once the order rests."""

    fault: Literal["none", "raise", "block", "overspend", "overspend_vitally"] = "none"


class Faulty(StrategyMode):
    """Places an order far below the market, and fails when it has been told to."""

    NAME = "faulty"
    SETTINGS: ClassVar[type[Settings]] = FaultySettings

    @staticmethod
    def decide(settings: FaultySettings, view: View) -> Iterator[Step]:
        """Place one order, then fail."""
        yield Place(
            level="far",
            generation=str(view.run),
            side="buy",
            symbol=view.symbol,
            type="limit",
            amount=Decimal("0.01"),
            price=Decimal(40_000),
        )
        if view.latest("far") is None:
            yield Place(  # it fills at once, and wakes the strategy with the other one in sight
                level="near", generation="0", side="buy", symbol=view.symbol, amount=Decimal("0.001")
            )
        elif settings.fault == "raise":
            raise ZeroDivisionError(FAULT)
        elif settings.fault == "block":
            for _ in itertools.repeat(None):
                pass
        elif settings.fault.startswith("overspend"):
            vital = settings.fault == "overspend_vitally"
            yield Place(level="much", generation="0", side="buy", symbol=view.symbol, amount=Decimal(100), vital=vital)
