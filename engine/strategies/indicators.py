"""Indicators of closed candles, from tulipy. They are floats: they say when to trade, never how much money that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import tulipy

WARM_UP = 4
"""An exponential average forgets where it began after about so many times its period."""


def sma(closes: Sequence[Decimal], period: int) -> list[float]:
    """Return the simple moving averages, one per close from the `period`-th on."""
    return _of(tulipy.sma, closes, period)


def ema(closes: Sequence[Decimal], period: int) -> list[float]:
    """Return the exponential moving averages, one per close; the first is the first close."""
    return _of(tulipy.ema, closes, period)


def rsi(closes: Sequence[Decimal], period: int) -> list[float]:
    """Return Wilder's relative strength index, 0 to 100, one per close from the one after the `period`-th on."""
    return _of(tulipy.rsi, closes, period)


def _of(indicator: Callable[..., Any], closes: Sequence[Decimal], period: int) -> list[float]:
    if len(closes) <= period:
        return []
    series = np.array([float(close) for close in closes])
    found: list[float] = indicator(series, period).tolist()
    return found
