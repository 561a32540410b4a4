"""Candles as arrays of whole numbers: prices in ticks, volumes in lots; merging is exact."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from utils.clock import from_ms
from utils.wire import Candle

Columns = NDArray[np.int64]
"""Five rows (open, high, low, close, volume), one column per candle."""

OPEN, HIGH, LOW, CLOSE, VOLUME = range(5)


def merge(columns: Columns, factor: int) -> Columns:
    """Return candles of `factor` times the length; the number of columns must be a multiple of it."""
    if factor == 1:
        return columns
    groups = columns.reshape(5, -1, factor)
    return np.stack(
        (
            groups[OPEN, :, 0],
            groups[HIGH].max(axis=1),
            groups[LOW].min(axis=1),
            groups[CLOSE, :, -1],
            groups[VOLUME].sum(axis=1),
        )
    )


def window(first: int, last: int, limit: int, since: int | None, until: int | None) -> range:
    """Return which of the candles numbered `first` … `last` are asked for; `since` and `until` are inclusive."""
    if until is not None:
        last = min(last, until)
    if since is not None:
        first = max(first, since)
        return range(first, min(last, first + limit - 1) + 1)
    return range(max(first, last - limit + 1), last + 1)


def candles(columns: Columns, first: int, seconds: int, tick: Decimal, lot: Decimal, *, closed: bool) -> list[Candle]:
    """Return the messages for `columns`, of which the first is candle number `first` (opens at `first * seconds`)."""
    step = seconds * 1000
    return [
        Candle(
            timestamp=timestamp,
            time=from_ms(timestamp),
            open=opening * tick,
            high=high * tick,
            low=low * tick,
            close=close * tick,
            volume=volume * lot,
            closed=closed,
        )
        for timestamp, (opening, high, low, close, volume) in enumerate_by(first * step, step, columns.T.tolist())
    ]


def enumerate_by(start: int, step: int, rows: list[list[int]]) -> zip[tuple[int, list[int]]]:
    """Pair every row with its timestamp."""
    return zip(range(start, start + step * len(rows), step), rows, strict=True)
