"""A backtest as its owner reads it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from services.backtests.plays import State
from utils.wire import Message


class BacktestRun(Message, frozen=True, kw_only=True, rename={"begins_at": "from", "ends_at": "to"}):
    """A backtest, and how far it has come, in percent; `status` is `state`, as clients were promised it."""

    id: str
    state: State
    status: State
    progress: int
    exchange: str
    strategy_class: str
    symbols: list[str]
    timeframe: str
    begins_at: datetime
    ends_at: datetime
    settings: dict[str, Any]
    starting_portfolio: dict[str, Decimal]
    fee: Decimal | None
    data_file: str | None
    error_code: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime


def run_of(row: Any) -> BacktestRun:
    """Return the backtest that a row tells of."""
    return BacktestRun(
        id=row.id,
        state=row.state,
        status=row.state,
        progress=row.progress,
        exchange=row.exchange,
        strategy_class=row.strategy_class,
        symbols=row.symbols.split(","),
        timeframe=row.timeframe,
        begins_at=row.begins_at,
        ends_at=row.ends_at,
        settings=msgspec.json.decode(row.settings),
        starting_portfolio=msgspec.json.decode(row.portfolio, type=dict[str, Decimal]),
        fee=row.fee,
        data_file=row.data_file,
        error_code=row.error_code,
        error=row.error,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
