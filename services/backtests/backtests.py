"""Backtests: asked for here, played by a process of their own that a job starts, and read when they are over."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

import models
from services.audit import Origin
from services.backtests.plans import NewRun
from services.backtests.plays import Plays, State
from services.backtests.reports import Report, report_of
from services.idempotency import Claim
from services.principals import Principal
from utils.backtests import Played
from utils.errors import Conflict
from utils.wire import TIMEFRAMES, Message

START = "POST /api/backtesting/runs"
_ROW = models.BacktestRun


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


class Backtests(Plays[BacktestRun]):
    """Look after the backtests of users. Methods that take an id raise `NotFound` for one that is not the caller's."""

    KIND, NAMED, ROW = "backtest", "run", _ROW
    MOST_OPEN, MOST_KEPT = 4, 100

    def start(self, principal: Principal, origin: Origin, new: NewRun, key: str | None = None) -> BacktestRun:
        """Let a backtest be played as soon as its turn comes; a repeated `key` gets the first outcome.

        :raises Refused: class, settings, time or portfolio do not fit. :raises NotFound: unknown market or upload.
        :raises Conflict: `too_many_backtests`.
        """
        values: dict[str, Any] = {"progress": 0}

        def check() -> None:
            values.update(self._plans.values(principal, new))

        def write(session: Session) -> BacktestRun:
            return self._queue(session, principal, origin, new, values)

        return self._idempotency.once(Claim.of(principal, key, START, new), BacktestRun, write, check)

    def report(self, principal: Principal, run_id: str) -> Report:
        """Return what came of a backtest. :raises Conflict: `backtest_<state>` when nothing has."""
        query = select(_ROW.__table__).where(_ROW.user_id == principal.user_id, _ROW.id == run_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise self._not_found()
        if row.result is None:
            raise Conflict(f"The backtest is {row.state}; there is no report.", code=f"backtest_{row.state}")
        played = msgspec.json.decode(row.result, type=Played)
        return report_of(played, timedelta(seconds=TIMEFRAMES[row.timeframe]), self._read(row))

    @staticmethod
    def _read(row: Any) -> BacktestRun:
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
