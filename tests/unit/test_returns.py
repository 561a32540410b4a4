"""Returns, drawdown and ratios against figures worked out by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounts.wealth import percentages
from utils import returns
from utils.returns import Point, growth
from utils.series import downsampled

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def curve(*values: tuple[int, int], step: timedelta = DAY) -> list[Point]:
    """Return points of (value, deposited), one per step."""
    return [Point(START + number * step, Decimal(v), Decimal(d)) for number, (v, d) in enumerate(values)]


def test_growth_is_the_value_while_nothing_is_paid_in() -> None:
    assert growth(curve((100, 100), (110, 100), (99, 100))) == [1, Decimal("1.1"), Decimal("0.99")]


def test_a_deposit_is_no_gain() -> None:
    # 10 % up, then 900 come in, then 10 % down: 0.99, though the account has ten times as much
    points = curve((100, 100), (1010, 1000), (909, 1000))
    assert growth(points) == [1, Decimal("1.1"), Decimal("0.99")]
    assert returns.time_weighted_return(growth(points)) == -1
    assert returns.max_drawdown(growth(points)) == 10


def test_a_withdrawal_is_no_loss() -> None:
    points = curve((1000, 1000), (100, 100), (110, 100))
    assert growth(points) == [1, 1, Decimal("1.1")]
    assert returns.max_drawdown(growth(points)) == 0


def test_an_empty_account_stands_still_until_it_is_filled() -> None:
    assert growth(curve((0, 0), (100, 100), (150, 100))) == [1, 1, Decimal("1.5")]


def test_nothing_is_left_after_a_total_loss() -> None:
    points = curve((100, 100), (-5, 100), (0, 100))
    assert growth(points) == [1, 0, 0]
    assert returns.max_drawdown(growth(points)) == 100


def test_the_deepest_fall_counts_from_the_peak_before() -> None:
    index = [Decimal(each) for each in (100, 120, 90, 150, 105, 160)]
    assert returns.max_drawdown(index) == 30  # 150 to 105; 120 to 90 is 25


def test_periodic_returns_go_from_edge_to_edge() -> None:
    # the first edge after noon is midnight; within a day only its last value counts
    points = [
        Point(START + timedelta(hours=12), Decimal(100), Decimal(100)),
        Point(START + timedelta(hours=18), Decimal(200), Decimal(100)),
        Point(START + timedelta(hours=30), Decimal(50), Decimal(100)),
        Point(START + timedelta(hours=47), Decimal(220), Decimal(100)),
        Point(START + timedelta(hours=97), Decimal(110), Decimal(100)),
    ]
    found = returns.periodic_returns(points, growth(points), DAY)
    assert found == pytest.approx([0.1, 0.0, 0.0])
    assert returns.periodic_returns(points[:1], growth(points[:1]), DAY) == []
    assert returns.periodic_returns([], [], DAY) == []


def test_ratios_by_hand() -> None:
    # mean 0.005, squared deviations 225e-6 twice, 25e-6, 25e-6 -> variance 500e-6/3; downside sqrt(1e-4/4)
    ratios = returns.ratios([0.02, -0.01, 0.01, 0.0], DAY)
    deviation = math.sqrt(0.0005 / 3)
    assert float(ratios.sharpe or 0) == pytest.approx(0.005 / deviation * math.sqrt(365), abs=1e-4)
    assert float(ratios.sortino or 0) == pytest.approx(0.005 / 0.005 * math.sqrt(365), abs=1e-4)
    assert float(ratios.volatility_percent or 0) == pytest.approx(deviation * math.sqrt(365) * 100, abs=1e-4)
    hourly = returns.ratios([0.02, -0.01, 0.01, 0.0], HOUR)
    assert float(hourly.sharpe or 0) == pytest.approx(0.005 / deviation * math.sqrt(8760), abs=1e-4)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ([], (None, None, None)),
        ([0.1], (None, None, None)),
        ([0.1, 0.1], (None, None, 0)),
        ([0.0] * 9, (None, None, 0)),
    ],
)
def test_what_cannot_be_told_is_none(found: list[float], told: tuple[object, ...]) -> None:
    ratios = returns.ratios(found, DAY)
    assert (ratios.sharpe, ratios.sortino, ratios.volatility_percent) == told
    assert returns.time_weighted_return([Decimal(1)]) is None
    assert returns.max_drawdown([]) is None


def test_gains_alone_have_no_sortino_ratio() -> None:
    ratios = returns.ratios([0.1, 0.2], DAY)
    assert ratios.sortino is None
    assert ratios.sharpe is not None


money = st.decimals(min_value=0, max_value=10**9, places=4)


@given(st.lists(st.tuples(money, money), max_size=40))
def test_nothing_is_ever_nan(found: list[tuple[Decimal, Decimal]]) -> None:
    points = [Point(START + number * HOUR, value, paid) for number, (value, paid) in enumerate(found)]
    index = growth(points)
    ratios = returns.ratios(returns.periodic_returns(points, index, HOUR), HOUR)
    told = [ratios.sharpe, ratios.sortino, ratios.volatility_percent]
    told += [returns.time_weighted_return(index), returns.max_drawdown(index)]
    assert all(each is None or each.is_finite() for each in told)


@given(st.lists(money, min_size=1, max_size=30))
def test_percentages_sum_to_100(values: list[Decimal]) -> None:
    shares = percentages(values)
    if sum(values):
        assert sum(shares) == 100
        exact = [value * 100 / sum(values) for value in values]
        assert all(abs(share - each) < Decimal("0.01") for share, each in zip(shares, exact, strict=True))
    else:
        assert set(shares) == {0}


def test_percentages_by_hand() -> None:
    assert percentages([Decimal(1)] * 3) == [Decimal("33.34"), Decimal("33.33"), Decimal("33.33")]
    assert percentages([]) == []


@given(st.integers(3, 50), st.lists(st.floats(-1e6, 1e6), max_size=400))
def test_downsampling_takes_points_as_they_are(most: int, values: list[float]) -> None:
    points = list(enumerate(values))
    found = downsampled(points, most, lambda point: point[0], lambda point: point[1])
    assert len(found) == min(most, len(points))
    assert found == sorted(set(found))
    assert set(found) <= set(points)
    assert (found[:1], found[-1:]) == (points[:1], points[-1:])


def test_downsampling_keeps_a_lone_spike() -> None:
    points = [(number, 1000.0 if number == 777 else 1.0) for number in range(2000)]
    assert (777, 1000.0) in downsampled(points, 100, lambda point: point[0], lambda point: point[1])
