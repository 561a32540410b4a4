"""Backtests: asked for here, played by a process of their own that a job starts, and read when they are over."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit, jobs
from services.audit import Origin
from services.backtests.plans import NewRun, Plans
from services.backtests.reports import Report, report_of
from services.candle_files.service import hold
from services.idempotency import Claim, Idempotency
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock, ids
from utils.backtests import Played
from utils.errors import Conflict, NotFound
from utils.pages import Cursor, Page
from utils.wire import TIMEFRAMES, Message

KIND = "backtest"
START = "POST /api/backtesting/runs"
State = Literal["queued", "running", "succeeded", "failed", "canceled"]
OPEN: tuple[State, ...] = ("queued", "running")
MOST_OPEN = 4
MOST_KEPT = 100
"""Runs of one user: those that wait or play, and all."""
_ROW = models.BacktestRun


class BacktestRun(Message, frozen=True, kw_only=True, rename={"begins_at": "from", "ends_at": "to"}):
    """A backtest, and how far it has come, in percent."""

    id: str
    state: State
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


class Backtests:
    """Look after the backtests of users. Methods that take an id raise `NotFound` for one that is not the caller's."""

    def __init__(self, database: Database, plans: Plans, idempotency: Idempotency) -> None:
        self._database = database
        self._plans = plans
        self._idempotency = idempotency

    def start(self, principal: Principal, origin: Origin, new: NewRun, key: str | None = None) -> BacktestRun:
        """Let a backtest be played as soon as its turn comes; a repeated `key` gets the first outcome.

        :raises Refused: class, settings, time or portfolio do not fit. :raises NotFound: unknown market or upload.
        :raises Conflict: `too_many_backtests`.
        """
        values: dict[str, Any] = {}

        def check() -> None:
            values.update(self._plans.values(principal, new))

        def write(session: Session) -> BacktestRun:
            # the lock lets one asking of a user through at a time
            lock_user(session, principal.user_id)
            _check_room(session, principal)
            if new.data_file is not None:
                hold(session, principal, new.data_file)
            run_id, moment = ids.new_id(), clock.now()
            given = {"id": run_id, "user_id": principal.user_id, "state": "queued", "progress": 0, "attempt": 0}
            session.execute(insert(_ROW).values(**given, **values, created_at=moment, updated_at=moment))
            jobs.add(session, KIND, {"run": run_id}, user_id=principal.user_id, key=f"{KIND}:{run_id}")
            audit.record(session, origin, "backtest.started", user_id=principal.user_id, target=run_id)
            return _run(session.execute(_of(principal).where(_ROW.id == run_id)).one())

        return self._idempotency.once(Claim.of(principal, key, START, new), BacktestRun, write, check)

    def list(
        self, principal: Principal, *, limit: int, cursor: Cursor | None = None, state: State | None = None
    ) -> Page[BacktestRun]:
        """Return a page of the caller's backtests, the newest first."""
        query = _of(principal)
        if state is not None:
            query = query.where(_ROW.state == state)
        if cursor is not None:
            query = query.where(tuple_(_ROW.created_at, _ROW.id) < tuple_(cursor.created_at, cursor.id))
        query = query.order_by(_ROW.created_at.desc(), _ROW.id.desc()).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([_run(row) for row in rows], limit)

    def get(self, principal: Principal, run_id: str) -> BacktestRun:
        """Return one of the caller's backtests."""
        with self._database.read() as connection:
            row = connection.execute(_of(principal).where(_ROW.id == run_id)).first()
        if row is None:
            raise _not_found()
        return _run(row)

    def end(self, principal: Principal, origin: Origin, run_id: str) -> BacktestRun:
        """Cancel a backtest that is not over, and delete one that is; return it as it is, or was, then."""
        with self._database.write() as session:
            mine = _of(principal).where(_ROW.id == run_id).with_for_update()
            row = session.execute(mine).first()
            if row is None:
                raise _not_found()
            verb = "canceled" if row.state in OPEN else "deleted"
            if verb == "canceled":
                changes = {"state": "canceled", "updated_at": clock.now()}
                session.execute(update(_ROW).where(_ROW.id == run_id).values(**changes))
                jobs.cancel_key(session, f"{KIND}:{run_id}")
                row = session.execute(mine).one()
            else:
                session.execute(delete(_ROW).where(_ROW.id == run_id))
            audit.record(session, origin, f"backtest.{verb}", user_id=principal.user_id, target=run_id)
            return _run(row)

    def report(self, principal: Principal, run_id: str) -> Report:
        """Return what came of a backtest. :raises Conflict: `backtest_<state>` when nothing has."""
        query = select(_ROW.__table__).where(_ROW.user_id == principal.user_id, _ROW.id == run_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise _not_found()
        if row.result is None:
            raise Conflict(f"The backtest is {row.state}; there is no report.", code=f"backtest_{row.state}")
        played = msgspec.json.decode(row.result, type=Played)
        return report_of(played, timedelta(seconds=TIMEFRAMES[row.timeframe]), _run(row))

    def is_open(self, run_id: str) -> bool:
        """Tell whether a run waits or plays."""
        with self._database.read() as connection:
            return connection.execute(select(_ROW.state).where(_ROW.id == run_id)).scalar() in OPEN

    def fail(self, run_id: str, detail: str) -> None:
        """Give a run up whose process ends again and again."""
        changes = {"state": "failed", "error_code": "backtest_crashed", "error": detail, "updated_at": clock.now()}
        with self._database.write() as session:
            session.execute(update(_ROW).where(_ROW.id == run_id, _ROW.state.in_(OPEN)).values(**changes))


def _check_room(session: Session, principal: Principal) -> None:
    count = select(func.count()).select_from(_ROW).where(_ROW.user_id == principal.user_id)
    if session.execute(count.where(_ROW.state.in_(OPEN))).scalar_one() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} of your backtests are not over yet.", code="too_many_backtests")
    if session.execute(count).scalar_one() >= MOST_KEPT:
        raise Conflict(f"You have {MOST_KEPT} backtests; delete one.", code="too_many_backtests")


def _of(principal: Principal) -> Any:
    columns = [column for column in _ROW.__table__.columns if column.name != "result"]
    return select(*columns).where(_ROW.user_id == principal.user_id)


def _run(row: Any) -> BacktestRun:
    return BacktestRun(
        id=row.id,
        state=row.state,
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


def _not_found() -> NotFound:
    return NotFound("You have no such backtest.", code="backtest_not_found")
