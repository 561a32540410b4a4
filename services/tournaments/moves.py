"""The states of tournaments: which leads to which, what goes with a move, and the moves that the clock makes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, delete, func, literal, select, update
from sqlalchemy.orm import Session

import models
from models import Database, Job
from services import audit, jobs
from services.audit import SYSTEM, Origin
from services.tournaments import news, prizes
from utils import clock
from utils.errors import Conflict

Status = Literal["draft", "registration", "running", "closing", "finished", "cancelled"]
STATUSES: tuple[Status, ...] = get_args(Status)
MOVES: dict[Status, frozenset[Status]] = {
    "draft": frozenset({"registration", "cancelled"}),
    "registration": frozenset({"running", "cancelled"}),
    "running": frozenset({"closing", "cancelled"}),
    "closing": frozenset({"finished"}),
    "finished": frozenset(),
    "cancelled": frozenset(),
}
"""Where each state leads; nothing else is possible. `closing` is over, but not all accounts are closed yet."""

CLOSE = "tournament.close"
"""The job that closes the accounts of a tournament that is over."""
AT_ONCE = 100
"""How many tournaments are looked at before others that are due."""

_VERBS: dict[Status, str] = {
    "registration": "opened",
    "running": "started",
    "closing": "ended",
    "finished": "finished",
    "cancelled": "cancelled",
}
_ROW = models.Tournament
_ENTRY = models.Participant


def may_move(before: Status, after: Status) -> bool:
    """Tell whether one state leads to another."""
    return after in MOVES[before]


def lock(session: Session, tournament_id: str) -> Any:
    """Return a tournament's row, which nobody else changes until the transaction of `session` ends; None: no such."""
    query = select(_ROW.__table__).where(_ROW.id == tournament_id).with_for_update()
    return session.execute(query).one_or_none()


def move(
    session: Session,
    row: Any,
    after: Status,
    *,
    origin: Origin = SYSTEM,
    user_id: str | None = None,
    reason: str | None = None,
) -> None:
    """Bring a locked tournament into another state, with what goes with it, if the transaction commits.

    :param user_id: who wants it; None is the schedule.
    :raises Conflict: `tournament_<status>` when its state does not lead there.
    """
    if not may_move(row.status, after):
        raise wrong_state(row.status)
    now = clock.now()
    values = {"status": after, "status_reason": reason, "updated_at": now, **_moments(row, after, now)}
    change(session, row.id, values)
    if after in {"closing", "cancelled"}:
        jobs.add(session, CLOSE, {"tournament": row.id}, key=f"{CLOSE}:{row.id}")
    if after == "running":
        news.want(session, row.id, "started")
    elif after == "cancelled":
        news.want(session, row.id, "cancelled")
    detail = None if reason is None else {"reason": reason}
    audit.record(session, origin, f"tournament.{_VERBS[after]}", user_id=user_id, target=row.id, detail=detail)


def change(session: Session, tournament_id: str, values: dict[str, Any]) -> None:
    """Write columns of a tournament."""
    statement = update(_ROW).where(_ROW.id == tournament_id).values(values)
    session.execute(statement, execution_options={"synchronize_session": False})


def wrong_state(status: str) -> Conflict:
    """Return the error for what a tournament in `status` does not allow."""
    return Conflict(f"The tournament is in the state {status}.", code=f"tournament_{status}")


def count(session: Session, *conditions: ColumnElement[bool]) -> int:
    """Return how many participants meet `conditions`."""
    return session.execute(select(func.count()).select_from(_ENTRY).where(*conditions)).scalar_one()


def _moments(row: Any, after: Status, now: datetime) -> dict[str, datetime]:
    """Return the moments that a move sets: what was planned for later has come now."""
    if after == "registration":
        planned = row.registration_starts_at
        return {"registration_starts_at": now if planned is None else min(planned, now)}
    if after == "running":
        return {"starts_at": min(row.starts_at, now), "registration_ends_at": min(row.registration_ends_at, now)}
    if after == "closing":
        return {"ends_at": min(row.ends_at, now)}
    return {"finished_at": now}


class TournamentSchedule:
    """Move tournaments whose moment has come. It may be killed anywhere: what is due is what SQL says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self) -> None:
        """Make every move that is due now."""
        self.run_due(clock.now())

    def run_due(self, now: datetime) -> int:
        """Make every move that is due at `now`, and return how many there were.

        They come in the order of a tournament's life: after a downtime one may open, start and end in one call.
        """
        opened = self._each(_due("draft", _ROW.registration_starts_at, now), _open)
        started = self._each(_due("registration", _ROW.starts_at, now), _start)
        ended = self._each(_due("running", _ROW.ends_at, now), _end)
        closed_anew = self._each(_given_up(CLOSE, "closing", "cancelled"), _close_anew)
        return opened + started + ended + closed_anew + self._each(_given_up(prizes.JOB, "finished"), _settle_anew)

    def _each(self, query: Any, step: Callable[[Session, Any], bool]) -> int:
        """Take a step with each tournament that a query finds, in a transaction of its own."""
        done, last = 0, ""
        while True:
            with self._database.read() as connection:
                found = connection.execute(query.where(_ROW.id > last).order_by(_ROW.id).limit(AT_ONCE)).scalars().all()
            for last in found:
                with self._database.write() as session:
                    # somebody else may have been here since, or be here now: it is looked at again under the lock
                    row = lock(session, last)
                    due = session.execute(query.where(_ROW.id == last)).first()
                    done += due is not None and step(session, row)
            if len(found) < AT_ONCE:
                return done


def _due(status: Status, moment: Any, now: datetime) -> Any:
    return select(_ROW.id).where(_ROW.status == status, moment <= now)


def _open(session: Session, row: Any) -> bool:
    return _move(session, row, "registration")


def _start(session: Session, row: Any) -> bool:
    if count(session, _ENTRY.tournament_id == row.id) < row.min_participants:
        return _move(session, row, "cancelled", "too_few_participants")
    return _move(session, row, "running")


def _end(session: Session, row: Any) -> bool:
    return _move(session, row, "closing")


def _move(session: Session, row: Any, after: Status, reason: str | None = None) -> bool:
    """Move a tournament unless it is somewhere else already, and tell whether it was moved."""
    if not may_move(row.status, after):
        return False
    move(session, row, after, reason=reason)
    return True


def _given_up(kind: str, *statuses: Status) -> Any:
    """Return the query of tournaments whose job of a kind failed so often that nobody tries it any more."""
    job = select(Job.id).where(Job.key == literal(f"{kind}:") + _ROW.id, Job.state == "failed")
    return select(_ROW.id).where(_ROW.status.in_(statuses), job.exists())


def _close_anew(session: Session, row: Any) -> bool:
    _forget_failed(session, f"{CLOSE}:{row.id}")
    jobs.add(session, CLOSE, {"tournament": row.id}, key=f"{CLOSE}:{row.id}")
    return True


def _settle_anew(session: Session, row: Any) -> bool:
    _forget_failed(session, f"{prizes.JOB}:{row.id}")
    prizes.want_settlement(session, row.id)
    return True


def _forget_failed(session: Session, key: str) -> None:
    """Delete a job that failed for good: its key is free then."""
    session.execute(delete(Job).where(Job.key == key, Job.state == "failed"))
