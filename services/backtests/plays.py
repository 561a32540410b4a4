"""What backtests and sweeps have in common: they are queued, played by a job, and end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit, jobs
from services.audit import Origin
from services.backtests.plans import NewRun, Plans
from services.data_files.service import hold
from services.idempotency import Idempotency
from services.paging import newest_first
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock, ids
from utils.errors import Conflict, NotFound
from utils.pages import Cursor, Page, Placed

State = Literal["queued", "running", "succeeded", "failed", "canceled"]
OPEN: tuple[State, ...] = ("queued", "running")


class Plays[Play: Placed](ABC):
    """Look after the plays of users. Methods that take an id raise `NotFound` for one that is not the caller's."""

    KIND: ClassVar[str]
    """What one of them is called, which is also the kind of its job."""
    NAMED: ClassVar[str]
    """What the job calls its id."""
    MOST_OPEN: ClassVar[int]
    MOST_KEPT: ClassVar[int]
    """Those of one user: what waits or plays, and all."""
    ROW: ClassVar[type[models.BacktestRun | models.BacktestSweep]]

    def __init__(self, database: Database, plans: Plans, idempotency: Idempotency) -> None:
        self._database = database
        self._plans = plans
        self._idempotency = idempotency

    @staticmethod
    @abstractmethod
    def _read(row: Any) -> Play:
        """Return a row in the API's words."""

    def list(
        self, principal: Principal, *, limit: int, cursor: Cursor | None = None, state: State | None = None
    ) -> Page[Play]:
        """Return a page of the caller's, the newest first."""
        query = self._of(principal)
        if state is not None:
            query = query.where(self.ROW.state == state)
        query = newest_first(query, self.ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([self._read(row) for row in rows], limit)

    def get(self, principal: Principal, play_id: str) -> Play:
        """Return one of the caller's."""
        with self._database.read() as connection:
            row = connection.execute(self._of(principal).where(self.ROW.id == play_id)).first()
        if row is None:
            raise self._not_found()
        return self._read(row)

    def end(self, principal: Principal, origin: Origin, play_id: str) -> Play:
        """Cancel one that is not over, and delete one that is; return it as it is, or was, then."""
        with self._database.write() as session:
            mine = self._of(principal).where(self.ROW.id == play_id).with_for_update()
            row = session.execute(mine).first()
            if row is None:
                raise self._not_found()
            verb = "canceled" if row.state in OPEN else "deleted"
            if verb == "canceled":
                changes = {"state": "canceled", "updated_at": clock.now()}
                session.execute(update(self.ROW).where(self.ROW.id == play_id).values(**changes))
                jobs.cancel_key(session, self._job_key(play_id))
                row = session.execute(mine).one()
            else:
                self._delete(session, play_id)
            audit.record(session, origin, f"{self.KIND}.{verb}", user_id=principal.user_id, target=play_id)
            return self._read(row)

    def is_open(self, play_id: str) -> bool:
        """Tell whether one waits or plays."""
        with self._database.read() as connection:
            return connection.execute(select(self.ROW.state).where(self.ROW.id == play_id)).scalar() in OPEN

    def fail(self, play_id: str, detail: str) -> None:
        """Give one up whose process ends again and again; what was played of it stays."""
        changes = {"state": "failed", "error_code": "backtest_crashed", "error": detail, "updated_at": clock.now()}
        with self._database.write() as session:
            session.execute(update(self.ROW).where(self.ROW.id == play_id, self.ROW.state.in_(OPEN)).values(**changes))

    def _queue(
        self, session: Session, principal: Principal, origin: Origin, new: NewRun, values: dict[str, Any]
    ) -> Play:
        """Write a row and the job that plays it. :raises Conflict: `too_many_…`."""
        # the lock lets one asking of a user through at a time
        lock_user(session, principal.user_id)
        self._check_room(session, principal)
        if new.data_file is not None:
            hold(session, principal, new.data_file)
        play_id, moment = ids.new_id(), clock.now()
        given = {"id": play_id, "user_id": principal.user_id, "state": "queued", "attempt": 0}
        session.execute(insert(self.ROW).values(**given, **values, created_at=moment, updated_at=moment))
        key = self._job_key(play_id)
        jobs.add(session, self.KIND, {self.NAMED: play_id}, user_id=principal.user_id, key=key)
        audit.record(session, origin, f"{self.KIND}.started", user_id=principal.user_id, target=play_id)
        return self._read(session.execute(self._of(principal).where(self.ROW.id == play_id)).one())

    def _delete(self, session: Session, play_id: str) -> None:
        session.execute(delete(self.ROW).where(self.ROW.id == play_id))

    def _check_room(self, session: Session, principal: Principal) -> None:
        code = f"too_many_{self.KIND}s"
        count = select(func.count()).select_from(self.ROW).where(self.ROW.user_id == principal.user_id)
        if session.execute(count.where(self.ROW.state.in_(OPEN))).scalar_one() >= self.MOST_OPEN:
            raise Conflict(f"{self.MOST_OPEN} of your {self.KIND}s are not over yet.", code=code)
        if session.execute(count).scalar_one() >= self.MOST_KEPT:
            raise Conflict(f"You have {self.MOST_KEPT} {self.KIND}s; delete one.", code=code)

    def _of(self, principal: Principal) -> Select[*tuple[Any, ...]]:
        # what came of a backtest is large, and read for its report alone
        columns = [column for column in self.ROW.__table__.columns if column.name != "result"]
        return select(*columns).where(self.ROW.user_id == principal.user_id)

    def _job_key(self, play_id: str) -> str:
        return f"{self.KIND}:{play_id}"

    def _not_found(self) -> NotFound:
        return NotFound(f"You have no such {self.KIND}.", code=f"{self.KIND}_not_found")
