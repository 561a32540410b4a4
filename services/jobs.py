"""Jobs: work that is wanted in one transaction and done later by a worker, at least once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from models import Database, Job
from services.old_rows import delete_old
from utils import clock, ids

KEEP = timedelta(days=30)
"""How long jobs are kept when they are over; their keys are taken until then."""

OVER = ("succeeded", "failed", "canceled")
MOST_STARTS = 100
"""A job that ended with its worker this often is not started again: it may be what ends it."""

MOST_OF_A_USER = 2
"""So many jobs of a kind run for one user, whatever else they want done: others' need not wait for it."""

ERROR_LENGTH = 500


class Interrupted(Exception):
    """The worker stops, the job was canceled, or its time or lease is over: end without changing anything more."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A job that is being done, under a lease.

    The same job may run again, from its beginning or from what it kept: it must be idempotent.
    """

    id: str
    kind: str
    payload: Mapping[str, Any]
    user_id: str | None
    attempt: int
    holder: str
    ended: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Go on if the job may; long jobs call this every few seconds. :raises Interrupted: when it may not."""
        if self.ended.is_set():
            raise Interrupted

    def hold(self, session: Session) -> None:
        """Make sure, in the transaction of `session`, that nobody else does this job.

        :raises Interrupted: when its lease went to somebody else, or it was canceled; nothing must be written then.
        """
        mine = select(Job.id).where(_held(self)).with_for_update()
        if session.execute(mine).first() is None:
            raise Interrupted

    def keep(self, session: Session, **progress: Any) -> None:
        """Keep in the payload how far the job is, in the transaction that brings it there: it begins there again."""
        payload = msgspec.json.encode({**self.payload, **progress}).decode()
        statement = update(Job).where(_held(self)).values(payload=payload)
        session.execute(statement, execution_options={"synchronize_session": False})


@dataclass(frozen=True, kw_only=True)
class Handler:
    """How jobs of one kind are done.

    After an error a job is tried again, `attempts` times in all, `first_delay` seconds later and then twice as late
    each time, up to `longest_delay`. One that takes longer than `seconds` is interrupted. A worker does `at_once` of
    them side by side.
    """

    call: Callable[[Run], None]
    seconds: float = 60.0
    at_once: int = 4
    attempts: int = 10
    first_delay: float = 1.0
    longest_delay: float = 3600.0

    def delay(self, attempt: int) -> timedelta:
        """Return how long to wait after the `attempt`-th try."""
        return timedelta(seconds=min(self.first_delay * 2.0 ** min(attempt - 1, 40), self.longest_delay))


def add(
    session: Session,
    kind: str,
    payload: Mapping[str, Any],
    *,
    run_at: datetime | None = None,
    user_id: str | None = None,
    key: str | None = None,
) -> str:
    """Want a job done, if the transaction of `session` commits; return its id.

    :param run_at: not before this moment; at once for None.
    :param key: a second job with the same key is not added; the id of the first one is returned.
    """
    moment = clock.now()
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    row: dict[str, Any] = {"id": ids.new_id(), "kind": kind, "key": key, "user_id": user_id, "state": "queued"}
    row |= {"payload": msgspec.json.encode(payload).decode(), "run_at": run_at or moment, "attempts": 0}
    row |= {"created_at": moment}
    statement = insert(Job).values(row).on_conflict_do_nothing(index_elements=["key"]).returning(Job.id)
    added = session.execute(statement).scalar()
    return added or session.execute(select(Job.id).where(Job.key == key)).scalar_one()


def cancel(session: Session, job_id: str) -> bool:
    """Cancel a job that is not over, and tell whether there was one; where it runs, it is interrupted."""
    open_ = and_(Job.id == job_id, Job.state.in_(("queued", "running")))
    values = {"state": "canceled", "finished_at": clock.now(), "holder": None, "lease_until": None}
    return session.execute(update(Job).where(open_).values(values).returning(Job.id)).first() is not None


def cancel_key(session: Session, key: str) -> None:
    """Cancel the job with a key, if there is one that is not over."""
    job = session.execute(select(Job.id).where(Job.key == key)).scalar()
    if job is not None:
        cancel(session, job)


class Jobs:
    """Give jobs out under leases, and take them back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, holder: str, kinds: Mapping[str, int], lease: timedelta) -> list[Run]:
        """Return jobs that are due and now `holder`'s, so many of each kind at most as `kinds` says.

        Users with the fewest running jobs of a kind are first; none gets more than `MOST_OF_A_USER` of them.
        """
        moment = clock.now()
        due = or_(
            and_(Job.state == "queued", Job.run_at <= moment), and_(Job.state == "running", Job.lease_until < moment)
        )
        # looking costs no transaction that writes, and most often there is nothing to do
        with self._database.read() as connection:
            if connection.execute(select(Job.id).where(due).limit(1)).first() is None:
                return []
            queries = [_next(kind, due, moment).limit(most) for kind, most in kinds.items() if most > 0]
            wanted = [chosen for query in queries if (chosen := connection.execute(query).scalars().all())]
        if not wanted:
            return []
        taken: list[Run] = []
        with self._database.write() as session:
            worn = and_(Job.state == "running", Job.lease_until < moment, Job.attempts >= MOST_STARTS)
            end = {"state": "failed", "finished_at": moment, "error": f"Its worker ended {MOST_STARTS} times."}
            session.execute(update(Job).where(worn).values(end))
            for looked_at in wanted:  # somebody else may have been quicker
                query = select(Job.id).where(due, Job.id.in_(looked_at)).with_for_update(skip_locked=True)
                chosen = session.execute(query).scalars().all()
                own = {"state": "running", "holder": holder, "lease_until": moment + lease}
                statement = update(Job).where(Job.id.in_(chosen)).values(**own, attempts=Job.attempts + 1)
                returned = statement.returning(Job.id, Job.kind, Job.payload, Job.user_id, Job.attempts)
                taken += [
                    Run(
                        id=row.id,
                        kind=row.kind,
                        payload=msgspec.json.decode(row.payload),
                        user_id=row.user_id,
                        attempt=row.attempts,
                        holder=holder,
                    )
                    for row in session.execute(returned, execution_options={"synchronize_session": False})
                ]
        return taken

    def renew(self, runs: Iterable[Run], lease: timedelta) -> None:
        """Hold on to jobs for another `lease`, and interrupt those that are not held any more."""
        for run in runs:
            if not self._set(run, lease_until=clock.now() + lease):
                run.ended.set()

    def succeed(self, run: Run) -> None:
        """Note that a job is done."""
        self._finish(run, "succeeded", None)

    def fail(self, run: Run, handler: Handler, error: str) -> bool:
        """Note that a job went wrong, to be tried again later; return False when it was the last time."""
        if run.attempt >= handler.attempts:
            self._finish(run, "failed", error)
            return False
        again = clock.now() + handler.delay(run.attempt)
        self._set(run, state="queued", run_at=again, error=error[:ERROR_LENGTH], holder=None, lease_until=None)
        return True

    def give_back(self, run: Run) -> None:
        """Let somebody else do a job from its beginning, at once; this start does not count."""
        self._set(run, state="queued", attempts=Job.attempts - 1, holder=None, lease_until=None)

    def recover(self, holder: str) -> int:
        """Queue the jobs that a dead `holder` was at, and return how many; nobody need wait for their leases."""
        theirs = and_(Job.state == "running", Job.holder == holder)
        with self._database.write() as session:
            # their leases end instead of the jobs being queued: so those that end their workers are told apart
            lapsed = {"lease_until": clock.now()}
            return len(session.execute(update(Job).where(theirs).values(lapsed).returning(Job.id)).all())

    def forget(self) -> None:
        """Delete jobs that have been over for long."""
        delete_old(self._database, Job, and_(Job.state.in_(OVER), Job.finished_at < clock.now() - KEEP))

    def counts(self) -> dict[tuple[str, str], int]:
        """Return how many jobs there are by kind and state."""
        query = select(Job.kind, Job.state, func.count()).group_by(Job.kind, Job.state)
        with self._database.read() as connection:
            return {(kind, state): count for kind, state, count in connection.execute(query)}

    def _finish(self, run: Run, state: str, error: str | None) -> None:
        told = None if error is None else error[:ERROR_LENGTH]
        self._set(run, state=state, error=told, finished_at=clock.now(), holder=None, lease_until=None)

    def _set(self, run: Run, **values: Any) -> bool:
        with self._database.write() as session:
            statement = update(Job).where(_held(run)).values(values).returning(Job.id)
            return session.execute(statement, execution_options={"synchronize_session": False}).first() is not None


def _next(kind: str, due: ColumnElement[bool], moment: datetime) -> Select[str]:
    """Return the query of jobs of a kind that may run now, the next one first."""
    running = and_(Job.kind == kind, Job.state == "running", Job.lease_until >= moment)
    busy = select(Job.user_id, func.count().label("count")).where(running).group_by(Job.user_id).subquery()
    turn = func.row_number().over(partition_by=Job.user_id, order_by=(Job.run_at, Job.id)).label("turn")
    waiting = select(Job.id, Job.user_id, Job.run_at, turn).where(due, Job.kind == kind).subquery()
    share = waiting.c.turn + func.coalesce(busy.c.count, 0)
    query = select(waiting.c.id).outerjoin(busy, busy.c.user_id == waiting.c.user_id)
    query = query.where(or_(waiting.c.user_id.is_(None), share <= MOST_OF_A_USER))
    return query.order_by(share, waiting.c.run_at, waiting.c.id)


def _held(run: Run) -> Any:
    # a run that was overtaken has another attempt's number
    return and_(Job.id == run.id, Job.state == "running", Job.holder == run.holder, Job.attempts == run.attempt)
