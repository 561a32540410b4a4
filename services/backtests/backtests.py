"""Backtests: requested here, played in a separate process that a job starts, and read when they are done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

import models
from services.audit import Origin
from services.backtests.plans import NewRun
from services.backtests.plays import Plays
from services.backtests.reports import Report, report_of
from services.backtests.runs import BacktestRun, run_of
from services.idempotency import Claim
from services.principals import Principal
from utils.backtests import Played
from utils.errors import Conflict
from utils.wire import TIMEFRAMES

START = "POST /api/backtesting/runs"
_ROW = models.BacktestRun


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
        return report_of(played, timedelta(seconds=TIMEFRAMES[row.timeframe]), run_of(row))

    @staticmethod
    def _read(row: Any) -> BacktestRun:
        return run_of(row)
