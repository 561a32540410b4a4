"""Backtests: asked for here, played by a process of their own that a job starts, and read when they are over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit, jobs
from services.audit import Origin
from services.backtest_reports import Report, report_of
from services.idempotency import Claim, Idempotency
from services.principals import Principal
from utils import clock, ids
from utils.backtests import Played
from utils.errors import Conflict, FieldError, NotFound, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.pages import Cursor, Page
from utils.wire import TIMEFRAMES, CheckStrategy, GetCandles, Message, StrategyDraft

KIND = "backtest"
START = "POST /api/backtesting/runs"
State = Literal["queued", "running", "succeeded", "failed", "canceled"]
OPEN: tuple[State, ...] = ("queued", "running")
MOST_OPEN = 4
MOST_KEPT = 100
"""Runs of one user: those that wait or play, and all."""
MOST_CANDLES = 10_000
USUAL_CANDLES = 500
_ROW = models.BacktestRun


class NewRun(Message, frozen=True, kw_only=True):
    """A backtest to play; `begins_at` and `ends_at` are cut to whole candles, and the latest 500 ones for None."""

    strategy_class: str
    settings: dict[str, Any]
    symbols: list[str]
    timeframe: str
    exchange: str
    starting_portfolio: dict[str, Decimal]
    fee: Decimal | None = None
    begins_at: datetime | None = None
    ends_at: datetime | None = None


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
    error_code: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime


class Backtests:
    """Look after the backtests of users. Methods that take an id raise `NotFound` for one that is not the caller's."""

    def __init__(self, database: Database, bridge: OctoBotBridge, idempotency: Idempotency) -> None:
        self._database = database
        self._bridge = bridge
        self._idempotency = idempotency

    def start(self, principal: Principal, origin: Origin, new: NewRun, key: str | None = None) -> BacktestRun:
        """Let a backtest be played as soon as its turn comes; a repeated `key` gets the first outcome.

        :raises Refused: class, settings, time or portfolio do not fit. :raises NotFound: unknown market.
        :raises Conflict: `too_many_backtests`.
        """
        values: dict[str, Any] = {}

        def check() -> None:
            draft = self._draft(new)
            begins_at, ends_at = self._time(new, draft)
            values.update(
                exchange=new.exchange,
                strategy_class=draft.strategy_class,
                symbols=draft.portfolio_name,
                timeframe=new.timeframe,
                settings=msgspec.json.encode(draft.settings).decode(),
                portfolio=msgspec.json.encode(new.starting_portfolio).decode(),
                fee=new.fee,
                begins_at=begins_at,
                ends_at=ends_at,
            )

        def write(session: Session) -> BacktestRun:
            # the lock lets one asking of a user through at a time
            session.execute(select(models.User.id).where(models.User.id == principal.user_id).with_for_update())
            _check_room(session, principal)
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
                _cancel_job(session, run_id)
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

    def _draft(self, new: NewRun) -> StrategyDraft:
        currency = new.symbols[0].partition("/")[2]
        if currency not in new.starting_portfolio:
            raise _refused("starting_portfolio", "no_quote_currency", f"Say how much {currency} there is at the start.")
        check = CheckStrategy(
            exchange=new.exchange,
            reference_currency=currency,
            strategy_class=new.strategy_class,
            portfolio_name=",".join(new.symbols),
            settings=new.settings,
        )
        draft = self._bridge.check_strategy(check)
        if "timeframe" in draft.settings and "timeframe" not in new.settings:
            check = msgspec.structs.replace(check, settings={**new.settings, "timeframe": new.timeframe})
            draft = self._bridge.check_strategy(check)
        wanted = TIMEFRAMES.get(draft.settings.get("timeframe", new.timeframe), 0)
        if wanted % TIMEFRAMES[new.timeframe] or not wanted:
            detail = f"Its candles cannot be made of {new.timeframe} ones."
            raise _refused("timeframe", "timeframe_too_coarse", detail)
        bases = {symbol.partition("/")[0] for symbol in draft.portfolio_name.split(",")}
        others = new.starting_portfolio.keys() - bases - {currency}
        if others:
            detail = f"The strategy does not trade {', '.join(sorted(others))}."
            raise _refused("starting_portfolio", "currency_not_traded", detail)
        return draft

    def _time(self, new: NewRun, draft: StrategyDraft) -> tuple[datetime, datetime]:
        """Return when the first candle opens and the last one closes."""
        seconds = TIMEFRAMES[new.timeframe]
        frame = timedelta(seconds=seconds)
        symbol = draft.portfolio_name.split(",")[0]
        query = GetCandles(exchange=new.exchange, symbol=symbol, timeframe=new.timeframe, limit=2)
        closed = [each for each in self._bridge.candles(query).candles if each.closed]
        if not closed:
            raise _refused("timeframe", "no_candles", f"There are no candles of {symbol}.")
        latest = clock.from_ms(closed[-1].timestamp) + frame
        end = latest if new.ends_at is None else min(_floor(new.ends_at, seconds), latest)
        begin = end - USUAL_CANDLES * frame if new.begins_at is None else _floor(new.begins_at, seconds)
        if end - begin < 2 * frame:
            raise _refused("from", "too_few_candles", "Fewer than two candles have closed in that time.")
        if end - begin > MOST_CANDLES * frame:
            raise _refused("from", "too_many_candles", f"At most {MOST_CANDLES} candles are played.")
        return begin, end


def _check_room(session: Session, principal: Principal) -> None:
    count = select(func.count()).select_from(_ROW).where(_ROW.user_id == principal.user_id)
    if session.execute(count.where(_ROW.state.in_(OPEN))).scalar_one() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} of your backtests are not over yet.", code="too_many_backtests")
    if session.execute(count).scalar_one() >= MOST_KEPT:
        raise Conflict(f"You have {MOST_KEPT} backtests; delete one.", code="too_many_backtests")


def _cancel_job(session: Session, run_id: str) -> None:
    job = session.execute(select(models.Job.id).where(models.Job.key == f"{KIND}:{run_id}")).scalar()
    if job is not None:
        jobs.cancel(session, job)


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
        error_code=row.error_code,
        error=row.error,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _floor(moment: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


def _not_found() -> NotFound:
    return NotFound("You have no such backtest.", code="backtest_not_found")


def _refused(field: str, code: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
