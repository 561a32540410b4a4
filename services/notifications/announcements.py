"""Announcements: what an administrator tells every user, each once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

import models
from models import Database, User
from services import audit, jobs
from services.audit import Origin
from services.idempotency import Claim, Idempotency
from services.jobs import Run
from services.notifications.notifications import Told, notify_all
from services.paging import newest_first
from services.principals import Principal
from utils import clock, ids
from utils.pages import Cursor, Page
from utils.wire import Message

JOB = "announcement"
ROUTE = "POST /api/admin/announcements"
USERS = 100
"""How many are told in one transaction: orders wait for their commit meanwhile."""

_ROW = models.Announcement


class NewAnnouncement(Message, frozen=True, kw_only=True):
    """Something to tell."""

    title: str
    message: str


class Announcement(Message, frozen=True, kw_only=True):
    """Something that users are told; `told` is how many of them were so far, all when there is a `finished_at`."""

    id: str
    title: str
    message: str
    told: int
    finished_at: datetime | None
    created_at: datetime


_COLUMNS = [getattr(_ROW, name) for name in Announcement.__struct_fields__]


class Announcements:
    """Tell every user something."""

    def __init__(self, database: Database, idempotency: Idempotency) -> None:
        self._database = database
        self._idempotency = idempotency

    def create(
        self, principal: Principal, origin: Origin, new: NewAnnouncement, key: str | None = None
    ) -> Announcement:
        """Tell all users who are there and active something, soon; a repeated `key` has the first outcome."""

        def write(session: Session) -> Announcement:
            made = Announcement(
                id=ids.new_id(),
                title=new.title,
                message=new.message,
                told=0,
                finished_at=None,
                created_at=clock.now(),
            )
            values = {name: getattr(made, name) for name in Announcement.__struct_fields__}
            session.execute(insert(_ROW).values(**values, author_id=principal.user_id, reached=""))
            jobs.add(session, JOB, {"announcement": made.id}, key=f"{JOB}:{made.id}")
            audit.record(session, origin, "announcement.made", user_id=principal.user_id, target=made.id)
            return made

        claim = Claim.of(principal, key, ROUTE, new)
        return self._idempotency.once(claim, Announcement, write)

    def list(self, *, limit: int, cursor: Cursor | None = None) -> Page[Announcement]:
        """Return a page of what users were told, newest first."""
        query = select(*_COLUMNS)
        query = newest_first(query, _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([Announcement(**row._mapping) for row in rows], limit)

    def deliver(self, run: Run) -> None:
        """Do a job: tell users in the order of their ids; how far that went is written with what they are told."""
        while self._step(run):
            run.check()

    def _step(self, run: Run) -> bool:
        this = _ROW.id == run.payload["announcement"]
        with self._database.write() as session:
            run.hold(session)
            row = session.execute(select(_ROW.__table__).where(this)).one()
            if row.finished_at is not None:
                return False
            # not who came later: they have seen nothing of what it is about
            theirs = (User.id > row.reached, User.is_active, User.created_at <= row.created_at)
            users = session.execute(select(User.id).where(*theirs).order_by(User.id).limit(USERS)).scalars().all()
            told = Told("announcement", row.title, {"announcement": row.id, "message": row.message}, shared=row.id)
            notify_all(session, [(user_id, told) for user_id in users])
            values: dict[str, Any] = {"told": _ROW.told + len(users)}
            values |= {"reached": users[-1]} if users else {"finished_at": clock.now()}
            session.execute(update(_ROW).where(this).values(values), execution_options={"synchronize_session": False})
        return bool(users)
