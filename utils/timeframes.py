"""Where candles begin: the grid of each time frame, weeks and months of the calendar included (UTC).

All moments are epoch milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from utils import clock
from utils.wire import TIMEFRAMES

WEEK, MONTH = "1w", "1M"
CALENDAR = (WEEK, MONTH)
"""Time frames made of days: a week begins on Monday, a month on its first day."""
NAMES = (*TIMEFRAMES, *CALENDAR)
DAY_MS = 86_400_000
_WEEK_MS = 7 * DAY_MS
_FIRST_MONDAY = 4 * DAY_MS  # the epoch was a Thursday
_YEARS = 12


class Window(NamedTuple):
    """The openings of the first and the last candle that are asked for; none when `first` is later than `last`."""

    first: int
    last: int


def opening(timeframe: str, moment: int) -> int:
    """Return when the candle that `moment` (≥ 0) lies in opens."""
    if timeframe == MONTH:
        day = clock.from_ms(moment)
        return _month(day.year * _YEARS + day.month - 1)
    if timeframe == WEEK:
        return (moment - _FIRST_MONDAY) // _WEEK_MS * _WEEK_MS + _FIRST_MONDAY
    length = TIMEFRAMES[timeframe] * 1000
    return moment // length * length


def shifted(timeframe: str, start: int, count: int) -> int:
    """Return the opening that lies `count` candles after (before, when negative) the opening `start`."""
    if timeframe == MONTH:
        day = clock.from_ms(start)
        return _month(day.year * _YEARS + day.month - 1 + count)
    return start + count * (_WEEK_MS if timeframe == WEEK else TIMEFRAMES[timeframe] * 1000)


def first_from(timeframe: str, moment: int) -> int:
    """Return the first opening that is not before `moment`."""
    start = opening(timeframe, moment)
    return start if start == moment else shifted(timeframe, start, 1)


def window(timeframe: str, *, limit: int, since: int | None, until: int | None, now: int) -> Window:
    """Return which candles are asked for: the newest, or from `since` on; `since` and `until` are inclusive."""
    last = opening(timeframe, now if until is None else min(until, now))
    if since is None:
        return Window(shifted(timeframe, last, 1 - limit), last)
    first = first_from(timeframe, min(since, now + _WEEK_MS * 52))
    return Window(first, min(last, shifted(timeframe, first, limit - 1)))


def _month(number: int) -> int:
    year, month = divmod(max(number, _YEARS), _YEARS)
    return int(datetime(min(year, 9999), month + 1, 1, tzinfo=UTC).timestamp()) * 1000
