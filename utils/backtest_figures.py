"""The figures of a backtest, computed from its trades and its equity curve; the same input gives the same digits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from utils import returns
from utils.backtests import Played
from utils.money import ZERO, percent
from utils.returns import Point
from utils.wire import Message

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAILY_FROM = timedelta(days=14)
"""From here on ratios are computed from days, below from hours, or candles where those are longer."""


class Outcome(Message, frozen=True, kw_only=True):
    """How well it did; percentages of the starting value. None is what cannot be told."""

    ending_value: Decimal
    profit: Decimal
    profit_percent: Decimal | None
    max_drawdown: Decimal | None
    sharpe_ratio: Decimal | None
    sortino_ratio: Decimal | None
    volatility: Decimal | None


class Figures(Message, frozen=True, kw_only=True):
    """How a strategy did, beside buying and holding; `trades` are all, `closed_trades` those that sold something."""

    starting_value: Decimal
    strategy: Outcome
    buy_and_hold: Outcome
    realized_pnl: Decimal
    fees: Decimal
    trades: int
    closed_trades: int
    win_rate: Decimal | None
    ratio_interval_seconds: int


def figures_of(played: Played, frame: timedelta) -> Figures:
    """Return the figures of what was played on candles of length `frame`."""
    curve = played.curve
    step = max(DAY if curve[-1].at - curve[0].at >= DAILY_FROM else HOUR, frame)
    gains = [each.realized_pnl for each in played.trades if each.side == "sell" and each.realized_pnl is not None]
    wins = sum(gain > 0 for gain in gains)
    return Figures(
        starting_value=curve[0].value,
        strategy=_outcome([(each.at, each.value) for each in curve], step),
        buy_and_hold=_outcome([(each.at, cents(each.held)) for each in curve], step),
        realized_pnl=sum((each.realized_pnl or ZERO for each in played.trades), ZERO),
        fees=sum((each.fee for each in played.trades), ZERO),
        trades=len(played.trades),
        closed_trades=len(gains),
        win_rate=percent(Decimal(wins) / len(gains)) if gains else None,
        ratio_interval_seconds=int(step.total_seconds()),
    )


def _outcome(values: Sequence[tuple[datetime, Decimal]], step: timedelta) -> Outcome:
    points = [Point(at, value, ZERO) for at, value in values]
    index = returns.growth(points)
    ratios = returns.ratios(returns.periodic_returns(points, index, step), step)
    first, last = points[0].value, points[-1].value
    return Outcome(
        ending_value=last,
        profit=last - first,
        profit_percent=percent((last - first) / first) if first > 0 else None,
        max_drawdown=returns.max_drawdown(index),
        sharpe_ratio=ratios.sharpe,
        sortino_ratio=ratios.sortino,
        volatility=ratios.volatility_percent,
    )


def cents(value: Decimal) -> Decimal:
    """Return a value whose division never ends, to eight places."""
    return round(value, 8)
