"""The report of a backtest, computed from its trades and its equity curve; the same input gives the same digits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from services.backtests.runs import BacktestRun
from services.csv_lines import line
from utils.backtest_figures import Outcome, cents, figures_of
from utils.backtests import Played, PlayedTrade, Worth
from utils.wire import Message

COLUMNS = ("time", "order", "symbol", "side", "price", "amount", "cost", "fee", "realized_pnl")


class Report(Message, frozen=True, kw_only=True):
    """What came of a backtest; amounts in `currency`.

    `buy_and_hold` is what the portfolio had become, had its money bought the same value of each market at the start.
    """

    run: BacktestRun
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
    figures = figures_of(played, frame)
    return Report(
        run=run,
        currency=played.currency,
        candles=played.candles,
        starting_value=figures.starting_value,
        strategy=figures.strategy,
        buy_and_hold=figures.buy_and_hold,
        realized_pnl=figures.realized_pnl,
        fees=figures.fees,
        closed_trades=figures.closed_trades,
        win_rate=figures.win_rate,
        ratio_interval_seconds=figures.ratio_interval_seconds,
        holdings=played.holdings,
        trades=played.trades,
        equity=[Worth(at=each.at, value=each.value, held=cents(each.held)) for each in played.curve],
        log=played.log,
    )


def csv_of(report: Report) -> Iterator[str]:
    """Yield the trades as CSV (RFC 4180)."""
    yield line(COLUMNS)
    for trade in report.trades:
        numbers = (trade.price, trade.amount, trade.cost, trade.fee, trade.realized_pnl)
        yield line([trade.at, trade.order, trade.symbol, trade.side, *numbers])
