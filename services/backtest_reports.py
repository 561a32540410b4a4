"""The report of a backtest: reckoned from its trades and its curve, the same for the same to the digit."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from services import returns
from services.returns import Point
from utils.backtests import Played, PlayedTrade, Worth
from utils.money import ZERO, percent, plain
from utils.wire import Message

if TYPE_CHECKING:
    from services.backtests import BacktestRun

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DAILY_FROM = timedelta(days=14)
"""From here on ratios are reckoned from days, below from hours, or candles where those are longer."""
COLUMNS = ("time", "order", "symbol", "side", "price", "amount", "cost", "fee", "realized_pnl")


class Outcome(Message, frozen=True, kw_only=True):
    """How well it did; percentages of the starting value. None is what cannot be told."""

    ending_value: Decimal
    profit: Decimal
    profit_percent: Decimal | None
    max_drawdown: Decimal | None
    sharpe_ratio: Decimal | None
    sortino_ratio: Decimal | None
    volatility: Decimal | None


class Report(Message, frozen=True, kw_only=True):
    """What came of a backtest; amounts in `currency`.

    `buy_and_hold` is what the portfolio had become, had its money bought the same value of each market at the start.
    """

    run: Any
    currency: str
    candles: int
    starting_value: Decimal
    strategy: Outcome
    buy_and_hold: Outcome
    realized_pnl: Decimal
    fees: Decimal
    closed_trades: int
    win_rate: Decimal | None
    ratio_interval_seconds: int
    holdings: dict[str, Decimal]
    trades: list[PlayedTrade]
    equity: list[Worth]
    log: list[str]


def report_of(played: Played, frame: timedelta, run: BacktestRun) -> Report:
    """Return the report of what was played on candles of length `frame`."""
    curve = played.curve
    step = max(DAY if curve[-1].at - curve[0].at >= DAILY_FROM else HOUR, frame)
    gains = [each.realized_pnl for each in played.trades if each.side == "sell" and each.realized_pnl is not None]
    wins = sum(gain > 0 for gain in gains)
    return Report(
        run=run,
        currency=played.currency,
        candles=played.candles,
        starting_value=curve[0].value,
        strategy=_outcome([(each.at, each.value) for each in curve], step),
        buy_and_hold=_outcome([(each.at, _cents(each.held)) for each in curve], step),
        realized_pnl=sum((each.realized_pnl or ZERO for each in played.trades), ZERO),
        fees=sum((each.fee for each in played.trades), ZERO),
        closed_trades=len(gains),
        win_rate=percent(Decimal(wins) / len(gains)) if gains else None,
        ratio_interval_seconds=int(step.total_seconds()),
        holdings=played.holdings,
        trades=played.trades,
        equity=[Worth(at=each.at, value=each.value, held=_cents(each.held)) for each in curve],
        log=played.log,
    )


def csv_of(report: Report) -> Iterator[str]:
    """Yield the trades as CSV (RFC 4180)."""
    yield _line(COLUMNS)
    for trade in report.trades:
        numbers = (trade.price, trade.amount, trade.cost, trade.fee, trade.realized_pnl)
        cells = ["" if each is None else plain(each) for each in numbers]
        yield _line([trade.at.isoformat().replace("+00:00", "Z"), trade.order, trade.symbol, trade.side, *cells])


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


def _cents(value: Decimal) -> Decimal:
    """Return a value whose division never ends, to eight places."""
    return round(value, 8)


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()
