"""Candles of weeks and months, made of days: exactly what their days add up to."""

from __future__ import annotations

from itertools import groupby

from utils import clock, timeframes
from utils.money import ZERO
from utils.wire import Candle


def fold(days: list[Candle], timeframe: str, now: int) -> list[Candle]:
    """Return the candles of a calendar time frame that `days`, ascending, lie in; `now` in epoch milliseconds."""
    return [
        _candle(start, list(members), closed=timeframes.shifted(timeframe, start, 1) <= now)
        for start, members in groupby(days, key=lambda day: timeframes.opening(timeframe, day.timestamp))
    ]


def _candle(start: int, days: list[Candle], *, closed: bool) -> Candle:
    return Candle(
        timestamp=start,
        time=clock.from_ms(start),
        open=days[0].open,
        high=max(day.high for day in days),
        low=min(day.low for day in days),
        close=days[-1].close,
        volume=sum((day.volume for day in days), ZERO),
        closed=closed,
    )
