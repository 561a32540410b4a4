"""The progress of backtests, for all clients that follow it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import select

import models
from models import Database
from services.backtests.plays import OPEN, State
from utils import json
from utils.errors import NotFound
from utils.wire import Message

_ROW = models.BacktestRun
_COLUMNS = (_ROW.id, _ROW.state, _ROW.progress, _ROW.attempt, _ROW.error_code, _ROW.error, _ROW.updated_at)
_IDS_OF_AN_ATTEMPT = 1000
_LAST = _IDS_OF_AN_ATTEMPT - 1


class Progress(Message, frozen=True, kw_only=True):
    """How far a backtest has come, in percent."""

    id: str
    state: State
    progress: int
    error_code: str | None
    error: str | None
    updated_at: datetime


class Step(Message, frozen=True, kw_only=True):
    """A progress and its id as an event: the same for the same row, and greater for every later one."""

    id: int
    progress: Progress

    @property
    def is_last(self) -> bool:
        """Tell whether the backtest is over."""
        return self.progress.state not in OPEN


class BacktestProgress:
    """Read how far runs have come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def owned(self, user_id: str, run_id: str) -> Step:
        """Return how far a user's run has come. :raises NotFound: `backtest_not_found`, also for somebody else's."""
        query = select(*_COLUMNS).where(_ROW.id == run_id, _ROW.user_id == user_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("You have no such backtest.", code="backtest_not_found")
        return _step(row)

    def steps(self, run_ids: Iterable[str]) -> dict[str, Step]:
        """Return how far many runs have come, those that are not there left out."""
        given = self._database.texts("runs")
        query = select(*_COLUMNS).join_from(given, _ROW, _ROW.id == given.c.value)
        with self._database.read() as connection:
            rows = connection.execute(query, {"runs": json.dumps(list(run_ids)).decode()}).all()
        return {row.id: _step(row) for row in rows}


def _step(row: Any) -> Step:
    progress = Progress(
        id=row.id,
        state=row.state,
        progress=row.progress,
        error_code=row.error_code,
        error=row.error,
        updated_at=row.updated_at,
    )
    # a run that is played again begins at 0 percent, under the next attempt
    place = row.progress if row.state in OPEN else _LAST
    return Step(id=row.attempt * _IDS_OF_AN_ATTEMPT + place, progress=progress)
