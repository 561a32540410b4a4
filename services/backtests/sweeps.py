"""Sweeps: a strategy played with every combination of some settings, and a table of the results."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from math import prod
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

import models
from services.audit import Origin
from services.backtests.plans import Combination, NewRun
from services.backtests.plays import Plays, State
from services.idempotency import Claim
from services.principals import Principal
from utils.backtest_figures import Figures, Outcome
from utils.errors import FieldError, Refused
from utils.wire import TIMEFRAMES, Message

START = "POST /api/backtesting/sweeps"
MOST_POINTS = 200
MOST_PLAYED = 500_000
"""Candles of all combinations together: what a process plays in about a quarter of an hour."""
Rank = Literal["profit_percent", "sharpe_ratio", "sortino_ratio", "max_drawdown", "volatility", "win_rate", "fees"]
RANKS: tuple[Rank, ...] = get_args(Rank)
_LEAST_FIRST: frozenset[Rank] = frozenset({"max_drawdown", "volatility", "fees"})
_POINT = models.SweepPoint


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


class Sweeps(Plays[Sweep]):
    """Look after the sweeps of users. Methods that take an id raise `NotFound` for one that is not the caller's."""

    KIND, NAMED, ROW = "sweep", "sweep", models.BacktestSweep
    MOST_OPEN, MOST_KEPT = 2, 20

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
            given = {name: value for name, value in values.items() if name != "settings"}
            given |= {"grid": msgspec.json.encode(new.grid).decode(), "count": len(found)}
            given |= {"done": sum(each.refusal is not None for each in found)}
            sweep = self._queue(session, principal, origin, new, given)
            points = [_point(sweep.id, principal.user_id, *each) for each in enumerate(found, start=1)]
            session.execute(insert(_POINT), points)
            return sweep

        return self._idempotency.once(Claim.of(principal, key, START, new), Sweep, write, check)

    def results(self, principal: Principal, sweep_id: str, rank_by: Rank) -> list[SweepResult]:
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

    def _delete(self, session: Session, play_id: str) -> None:
        session.execute(delete(_POINT).where(_POINT.sweep_id == play_id))
        super()._delete(session, play_id)

    @staticmethod
    def _read(row: Any) -> Sweep:
        same = ("id", "state", "done", "count", "exchange", "strategy_class", "timeframe", "begins_at", "ends_at")
        also = ("fee", "data_file", "error_code", "error", "created_at", "updated_at")
        return Sweep(
            **{name: getattr(row, name) for name in (*same, *also)},
            symbols=row.symbols.split(","),
            grid=msgspec.json.decode(row.grid),
            starting_portfolio=msgspec.json.decode(row.portfolio, type=dict[str, Decimal]),
        )


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


def _result(row: Any, grid: dict[str, list[Any]]) -> SweepResult:
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


def _refused(field: str, code: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
