"""The grid of candles, weeks and months of the calendar included."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils import timeframes
from utils.clock import from_ms

MOMENTS = st.integers(timeframes.DAY_MS * 400, int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1000)
NAMES = st.sampled_from(timeframes.NAMES)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("timeframe", "moment", "opening", "following"),
    [
        ("1w", "2024-01-01", "2024-01-01", "2024-01-08"),
        ("1w", "2024-01-07T23:59:59.999", "2024-01-01", "2024-01-08"),
        ("1w", "2020-02-29", "2020-02-24", "2020-03-02"),
        ("1M", "2024-02-29T12:00", "2024-02-01", "2024-03-01"),
        ("1M", "2023-12-31T23:59:59.999", "2023-12-01", "2024-01-01"),
        ("1d", "2024-03-10T05:00", "2024-03-10", "2024-03-11"),
        ("12h", "2024-03-10T13:00", "2024-03-10T12:00", "2024-03-11"),
    ],
)
def test_candles_of_the_calendar(timeframe: str, moment: str, opening: str, following: str) -> None:
    assert timeframes.opening(timeframe, ms(moment)) == ms(opening)
    assert timeframes.shifted(timeframe, ms(opening), 1) == ms(following)
    assert timeframes.shifted(timeframe, ms(following), -1) == ms(opening)
    assert timeframes.first_from(timeframe, ms(opening)) == ms(opening)
    assert timeframes.first_from(timeframe, ms(opening) + 1) == ms(following)


@given(NAMES, MOMENTS, st.integers(-300, 300))
def test_every_moment_lies_in_one_candle(timeframe: str, moment: int, count: int) -> None:
    opening = timeframes.opening(timeframe, moment)
    assert opening <= moment < timeframes.shifted(timeframe, opening, 1)
    assert timeframes.opening(timeframe, opening) == opening
    away = timeframes.shifted(timeframe, opening, count)
    if away > timeframes.DAY_MS * 31:
        assert timeframes.opening(timeframe, away) == away
        assert timeframes.shifted(timeframe, away, -count) == opening
    if timeframe == timeframes.WEEK:
        assert from_ms(opening).isoweekday() == 1
    if timeframe == timeframes.MONTH:
        assert from_ms(opening).day == 1


@given(NAMES, MOMENTS, st.integers(1, 1000), st.integers(0, 10**14))
def test_a_window_has_what_was_asked_for(timeframe: str, now: int, limit: int, since: int) -> None:
    newest = timeframes.window(timeframe, limit=limit, since=None, until=None, now=now)
    assert newest.last <= now < timeframes.shifted(timeframe, newest.last, 1)
    ahead = timeframes.window(timeframe, limit=limit, since=since, until=None, now=now)
    if ahead.first <= ahead.last:
        assert since <= ahead.first
        assert ahead.last <= min(now, timeframes.shifted(timeframe, ahead.first, limit - 1))
    else:
        assert since > timeframes.opening(timeframe, now)
