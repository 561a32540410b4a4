"""Sweeps: a strategy played with every combination of some settings, and a table of what came of each."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from math import prod
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit, jobs
from services.audit import Origin
from services.backtests.backtests import OPEN, State
from services.backtests.plans import Combination, NewRun, Plans
from services.candle_files.service import hold
from services.idempotency import Claim, Idempotency
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock, ids
from utils.backtest_figures import Figures, Outcome
from utils.errors import Conflict, FieldError, NotFound, Refused
from utils.pages import Cursor, Page
from utils.wire import TIMEFRAMES, Message

KIND = "sweep"
START = "POST /api/backtesting/sweeps"
MOST_POINTS = 200
MOST_PLAYED = 500_000
"""Candles of all combinations together: what a process plays in about a quarter of an hour."""
MOST_OPEN = 2
MOST_KEPT = 20
"""Sweeps of one user: those that wait or play, and all."""
Rank = Literal["profit_percent", "sharpe_ratio", "sortino_ratio", "max_drawdown", "volatility", "win_rate", "fees"]
RANKS: tuple[Rank, ...] = get_args(Rank)
_LEAST_FIRST: frozenset[Rank] = frozenset({"max_drawdown", "volatility", "fees"})
_ROW, _POINT = models.BacktestSweep, models.SweepPoint


class NewSweep(NewRun, frozen=True, kw_only=True):
    """A backtest to play with every combination of the values that `grid` has for some settings."""

    grid: dict[str, list[Any]]


class Sweep(Message, frozen=True, kw_only=True, rename={"begins_at": "from", "ends_at": "to"}):
    """A sweep; `done` of its `count` combinations are over."""

    id: str
    state: State
    done: int
    count: int
    exchange: str
    strategy_class: str
    symbols: list[str]
    timeframe: str
    begins_at: datetime
    ends_at: datetime
    grid: dict[str, list[Any]]
    starting_portfolio: dict[str, Decimal]
    fee: Decimal | None
    data_file: str | None
    error_code: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime


class SweepResult(Message, frozen=True, kw_only=True):
    """What came of one combination: its place in the table, None while nothing has; `varied` are the grid's."""

    rank: int | None
    number: int
    varied: dict[str, Any]
    settings: dict[str, Any]
    figures: Figures | None
    error_code: str | None
    error: str | None


class Sweeps:
    """Look after the sweeps of users. Methods that take an id raise `NotFound` for one that is not the caller's."""

    def __init__(self, database: Database, plans: Plans, idempotency: Idempotency) -> None:
        self._database = database
        self._plans = plans
        self._idempotency = idempotency

    def start(self, principal: Principal, origin: Origin, new: NewSweep, key: str | None = None) -> Sweep:
        """Let a sweep be played as soon as its turn comes; a repeated `key` gets the first outcome.

        :raises Refused: as for a backtest; too many combinations. :raises NotFound: unknown market or upload.
        :raises Conflict: `too_many_sweeps`.
        """
        values: dict[str, Any] = {}
        found: list[Combination] = []

        def check() -> None:
            count = prod(map(len, new.grid.values()))
            if count > MOST_POINTS:
                raise _refused("grid", "too_many_combinations", f"At most {MOST_POINTS} combinations are played.")
            common, combinations = self._plans.combinations(principal, new, new.grid)
            span = common["ends_at"] - common["begins_at"]
            if count * span.total_seconds() / TIMEFRAMES[new.timeframe] > MOST_PLAYED:
                detail = f"At most {MOST_PLAYED} candles are played over all combinations."
                raise _refused("grid", "too_many_candles", detail)
            values.update(common)
            found.extend(combinations)

        def write(session: Session) -> Sweep:
            # the lock lets one asking of a user through at a time
            lock_user(session, principal.user_id)
            _check_room(session, principal)
            if new.data_file is not None:
                hold(session, principal, new.data_file)
            sweep_id, moment = ids.new_id(), clock.now()
            given = {name: value for name, value in values.items() if name != "settings"}
            given |= {"id": sweep_id, "user_id": principal.user_id, "state": "queued", "attempt": 0}
            given |= {"grid": msgspec.json.encode(new.grid).decode(), "count": len(found)}
            given |= {"done": sum(each.refusal is not None for each in found)}
            session.execute(insert(_ROW).values(**given, created_at=moment, updated_at=moment))
            points = [_point(sweep_id, principal.user_id, *each) for each in enumerate(found, start=1)]
            session.execute(insert(_POINT), points)
            jobs.add(session, KIND, {KIND: sweep_id}, user_id=principal.user_id, key=f"{KIND}:{sweep_id}")
            audit.record(session, origin, "sweep.started", user_id=principal.user_id, target=sweep_id)
            return _sweep(session.execute(_of(principal).where(_ROW.id == sweep_id)).one())

        return self._idempotency.once(Claim.of(principal, key, START, new), Sweep, write, check)

    def list(
        self, principal: Principal, *, limit: int, cursor: Cursor | None = None, state: State | None = None
    ) -> Page[Sweep]:
        """Return a page of the caller's sweeps, the newest first."""
        query = _of(principal)
        if state is not None:
            query = query.where(_ROW.state == state)
        if cursor is not None:
            query = query.where(tuple_(_ROW.created_at, _ROW.id) < tuple_(cursor.created_at, cursor.id))
        query = query.order_by(_ROW.created_at.desc(), _ROW.id.desc()).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([_sweep(row) for row in rows], limit)

    def get(self, principal: Principal, sweep_id: str) -> Sweep:
        """Return one of the caller's sweeps."""
        with self._database.read() as connection:
            row = connection.execute(_of(principal).where(_ROW.id == sweep_id)).first()
        if row is None:
            raise _not_found()
        return _sweep(row)

    def results(self, principal: Principal, sweep_id: str, rank_by: Rank) -> builtins.list[SweepResult]:
        """Return what came of each combination, the best first; those of which nothing has come are last."""
        grid = self.get(principal, sweep_id).grid
        query = select(_POINT.__table__).where(_POINT.sweep_id == sweep_id).order_by(_POINT.number)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        results = [_result(row, grid) for row in rows]
        measure = _measure(rank_by)
        results.sort(key=lambda each: (measure(each), each.number))
        return [
            msgspec.structs.replace(each, rank=place if each.figures is not None else None)
            for place, each in enumerate(results, start=1)
        ]

    def end(self, principal: Principal, origin: Origin, sweep_id: str) -> Sweep:
        """Cancel a sweep that is not over, and delete one that is; return it as it is, or was, then."""
        with self._database.write() as session:
            mine = _of(principal).where(_ROW.id == sweep_id).with_for_update()
            row = session.execute(mine).first()
            if row is None:
                raise _not_found()
            verb = "canceled" if row.state in OPEN else "deleted"
            if verb == "canceled":
                changes = {"state": "canceled", "updated_at": clock.now()}
                session.execute(update(_ROW).where(_ROW.id == sweep_id).values(**changes))
                jobs.cancel_key(session, f"{KIND}:{sweep_id}")
                row = session.execute(mine).one()
            else:
                session.execute(delete(_POINT).where(_POINT.sweep_id == sweep_id))
                session.execute(delete(_ROW).where(_ROW.id == sweep_id))
            audit.record(session, origin, f"sweep.{verb}", user_id=principal.user_id, target=sweep_id)
            return _sweep(row)

    def is_open(self, sweep_id: str) -> bool:
        """Tell whether a sweep waits or plays."""
        with self._database.read() as connection:
            return connection.execute(select(_ROW.state).where(_ROW.id == sweep_id)).scalar() in OPEN

    def fail(self, sweep_id: str, detail: str) -> None:
        """Give a sweep up whose process ends again and again; what was played of it stays."""
        changes = {"state": "failed", "error_code": "backtest_crashed", "error": detail, "updated_at": clock.now()}
        with self._database.write() as session:
            session.execute(update(_ROW).where(_ROW.id == sweep_id, _ROW.state.in_(OPEN)).values(**changes))


def _measure(rank_by: Rank) -> Callable[[SweepResult], tuple[bool, bool, Decimal]]:
    """Return what results are sorted by, the least first: what cannot be told comes after what can."""
    sign = 1 if rank_by in _LEAST_FIRST else -1

    def measure(result: SweepResult) -> tuple[bool, bool, Decimal]:
        figures = result.figures
        value: Decimal | None = None
        if figures is not None:
            value = getattr(figures.strategy if rank_by in Outcome.__struct_fields__ else figures, rank_by)
        return figures is None, value is None, sign * (value or Decimal(0))

    return measure


def _check_room(session: Session, principal: Principal) -> None:
    count = select(func.count()).select_from(_ROW).where(_ROW.user_id == principal.user_id)
    if session.execute(count.where(_ROW.state.in_(OPEN))).scalar_one() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} of your sweeps are not over yet.", code="too_many_sweeps")
    if session.execute(count).scalar_one() >= MOST_KEPT:
        raise Conflict(f"You have {MOST_KEPT} sweeps; delete one.", code="too_many_sweeps")


def _of(principal: Principal) -> Any:
    return select(_ROW.__table__).where(_ROW.user_id == principal.user_id)


def _point(sweep_id: str, user_id: str, number: int, combination: Combination) -> dict[str, Any]:
    refusal = combination.refusal
    return {
        "sweep_id": sweep_id,
        "number": number,
        "user_id": user_id,
        "settings": msgspec.json.encode(combination.settings).decode(),
        "error_code": None if refusal is None else refusal.code,
        "error": None if refusal is None else refusal.detail[:512],
    }


def _result(row: Any, grid: dict[str, builtins.list[Any]]) -> SweepResult:
    settings = msgspec.json.decode(row.settings)
    return SweepResult(
        rank=None,
        number=row.number,
        varied={name: settings[name] for name in grid},
        settings=settings,
        figures=None if row.figures is None else msgspec.json.decode(row.figures, type=Figures),
        error_code=row.error_code,
        error=row.error,
    )


def _sweep(row: Any) -> Sweep:
    same = ("id", "state", "done", "count", "exchange", "strategy_class", "timeframe", "begins_at", "ends_at", "fee")
    also = ("data_file", "error_code", "error", "created_at", "updated_at")
    return Sweep(
        **{name: getattr(row, name) for name in (*same, *also)},
        symbols=row.symbols.split(","),
        grid=msgspec.json.decode(row.grid),
        starting_portfolio=msgspec.json.decode(row.portfolio, type=dict[str, Decimal]),
    )


def _not_found() -> NotFound:
    return NotFound("You have no such sweep.", code="sweep_not_found")


def _refused(field: str, code: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
