"""What an equity series says of how well an account did: returns, drawdown and ratios.

Returns are time-weighted (Global Investment Performance Standards, CFA Institute, 2020): the value is linked over
the moments at which something was paid in, so that a deposit is no gain. Ratios use returns of equal length, the value
at the end of each, with a risk-free rate of zero:

- Sharpe: mean / sample standard deviation by √periods a year (W. F. Sharpe, The Sharpe Ratio, J. Portfolio Management
  21, 1994, 49-58);
- Sortino: mean / downside deviation by √periods a year, the downside deviation being the root of the mean of
  min(return, 0)² over all returns (F. A. Sortino and L. N. Price, J. Investing 3, 1994, 59-64);
- volatility: sample standard deviation by √periods a year;
- maximum drawdown: the deepest fall below an earlier peak (M. Magdon-Ismail and A. F. Atiya, Risk 17, 2004, 99-102).

Markets here never close: a year has 365 days of 24 hours.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from utils.money import ONE, PLACES, ZERO, percent

YEAR = timedelta(days=365)
FEWEST = 2
"""Returns from which a deviation can be told."""


@dataclass(frozen=True)
class Point:
    """What an account was worth, and what had been paid in by then."""

    at: datetime
    value: Decimal
    deposited: Decimal


@dataclass(frozen=True)
class Ratios:
    """What is None cannot be told: too few returns, or nothing that varied."""

    sharpe: Decimal | None
    sortino: Decimal | None
    volatility_percent: Decimal | None


def growth(points: Sequence[Point]) -> list[Decimal]:
    """Return what one unit of money put in at the first point had become at each.

    Between two points it grows by what the later value, without what was paid in between, is of the earlier one: a
    sample is taken right after each deposit. It stays where it is while there was nothing that could grow.
    """
    index = [ONE]
    for before, after in pairwise(points):
        earned = max(after.value - (after.deposited - before.deposited), ZERO)
        index.append(index[-1] * earned / before.value if before.value > 0 else index[-1])
    return index


def time_weighted_return(index: Sequence[Decimal]) -> Decimal | None:
    """Return the growth in percent; None without two points."""
    return None if len(index) < FEWEST else percent(index[-1] - ONE)


def max_drawdown(index: Sequence[Decimal]) -> Decimal | None:
    """Return the deepest fall from a peak, in percent of the peak, not below zero; None without two points."""
    if len(index) < FEWEST:
        return None
    peak, deepest = index[0], ZERO
    for level in index:
        peak = max(peak, level)
        if peak > 0:
            deepest = max(deepest, ONE - level / peak)
    return percent(deepest)


def periodic_returns(points: Sequence[Point], index: Sequence[Decimal], step: timedelta) -> list[float]:
    """Return the returns of every whole `step` (counted from the epoch) between the first and the last point."""
    if not points:
        return []
    levels: list[Decimal] = []
    edge, place = _edge_after(points[0].at, step), 0
    while edge <= points[-1].at:
        while place + 1 < len(points) and points[place + 1].at <= edge:
            place += 1
        levels.append(index[place])
        edge += step
    return [float(after / before) - 1 for before, after in pairwise(levels) if before > 0]


def ratios(returns: Sequence[float], step: timedelta) -> Ratios:
    """Return the yearly ratios of returns over `step` each."""
    if len(returns) < FEWEST:
        return Ratios(None, None, None)
    a_year = math.sqrt(YEAR / step)
    mean, deviation = statistics.fmean(returns), statistics.stdev(returns)
    downside = math.sqrt(statistics.fmean(min(each, 0.0) ** 2 for each in returns))
    return Ratios(
        sharpe=_rounded(mean / deviation * a_year) if deviation > 0 else None,
        sortino=_rounded(mean / downside * a_year) if downside > 0 else None,
        volatility_percent=_rounded(deviation * a_year * 100),
    )


def _rounded(value: float) -> Decimal | None:
    return Decimal(repr(value)).quantize(PLACES) if math.isfinite(value) else None


def _edge_after(moment: datetime, step: timedelta) -> datetime:
    epoch, seconds = moment.timestamp(), step.total_seconds()
    return datetime.fromtimestamp(math.ceil(epoch / seconds) * seconds, UTC)
