"""E-mail: users are told at the address they have confirmed, several things in one mail when much happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import jobs
from services.jobs import Run
from services.notifications import mail_addresses
from services.notifications.mail_addresses import confirmed
from services.old_rows import delete_old
from services.paging import newest_first
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock, ids
from utils.errors import Conflict, NotReady, Refused
from utils.pages import Cursor, Page
from utils.smtp import Mail, Mailer
from utils.wire import Message

JOB = "mail"
ATTEMPTS = 10
"""With waits of 30 s, a minute and so on up to an hour: for four hours."""

GATHER = timedelta(seconds=60)
"""How long the first thing waits for others to be told in the same mail."""

MOST_IN_A_MAIL = 100
KEEP = timedelta(days=30)
"""How long it is known what a user was told."""

_ROW = models.MailDelivery
_FOOTER = "\n-- \nYou asked to be told of this. Choose otherwise in the settings of your notifications.\n"


class MailDelivery(Message, frozen=True, kw_only=True):
    """One thing that a user is told by e-mail, and how that went; those with the same `mail_id` went together."""

    id: str
    kind: str
    title: str
    mail_id: str | None
    state: Literal["pending", "succeeded", "failed"]
    attempts: int
    error: str | None
    finished_at: datetime | None
    created_at: datetime


_COLUMNS = [getattr(_ROW, name) for name in MailDelivery.__struct_fields__]


_is_test = case((_ROW.kind == "test", 1), else_=0)


def send(session: Session, user_id: str, kind: str, title: str, text: str = "") -> None:
    """Tell a user something at their confirmed address, if they have one and the transaction of `session` commits."""
    if session.execute(confirmed(user_id)).first() is not None:
        _add(session, user_id, kind, title, text)


class Mails:
    """Tell users by e-mail. `mailer` is None where mail is not configured."""

    def __init__(self, database: Database, mailer: Mailer | None) -> None:
        self._database = database
        self._mailer = mailer

    def test(self, principal: Principal) -> MailDelivery:
        """Send the caller a mail that is a test.

        :raises Conflict: `mail_not_configured`, `email_not_confirmed`, or `test_pending`.
        """
        if self._mailer is None:
            raise mail_addresses.not_configured()
        with self._database.write() as session:
            lock_user(session, principal.user_id)
            if session.execute(confirmed(principal.user_id)).first() is None:
                raise Conflict("Confirm your address first.", code="email_not_confirmed")
            pending = (_ROW.user_id == principal.user_id, _ROW.state == "pending", _ROW.kind == "test")
            if session.execute(select(_ROW.id).where(*pending).limit(1)).first() is not None:
                raise Conflict("A test is still pending.", code="test_pending")
            made = _add(session, principal.user_id, "test", "This is a test", "")
            row = session.execute(select(*_COLUMNS).where(_ROW.id == made)).one()
        return MailDelivery(**row._mapping)

    def deliveries(self, principal: Principal, *, limit: int, cursor: Cursor | None = None) -> Page[MailDelivery]:
        """Return a page of what the caller was told by e-mail, newest first."""
        query = select(*_COLUMNS).where(_ROW.user_id == principal.user_id)
        query = newest_first(query, _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([MailDelivery(**row._mapping) for row in rows], limit)

    def gather(self) -> None:
        """Want a mail for each user whose first untold thing has waited long enough, or is a test."""
        is_due = (func.min(_ROW.created_at) <= clock.now() - GATHER) | (func.max(_is_test) == 1)
        query = select(_ROW.user_id, func.min(_ROW.id)).where(_ROW.mail_id.is_(None)).group_by(_ROW.user_id)
        query = query.having(is_due)
        with self._database.read() as connection:
            due = connection.execute(query.limit(MOST_IN_A_MAIL)).all()
        if not due:
            return
        with self._database.write() as session:
            for user_id, first in due:  # one job for each first thing, whoever looks and however often
                jobs.add(session, JOB, {"user": user_id}, user_id=user_id, key=f"{JOB}:{first}")

    def deliver(self, run: Run) -> None:
        """Do a job: send what waits for its user in one mail, once more under the same Message-ID after a failure.

        :raises NotReady: it was not taken, and is to be tried again.
        """
        with self._database.write() as session:
            run.hold(session)
            waiting = select(_ROW.id).where(_ROW.user_id == run.payload["user"], _ROW.mail_id.is_(None))
            claimed = session.execute(select(_ROW.id).where(_ROW.mail_id == run.id).limit(1)).first()
            if claimed is None:
                chosen = session.execute(waiting.order_by(_ROW.id).limit(MOST_IN_A_MAIL)).scalars()
                _change(session, _ROW.id.in_(chosen.all()), mail_id=run.id)
        with self._database.read() as connection:
            query = select(_ROW.title, _ROW.text, _ROW.created_at).where(
                _ROW.mail_id == run.id, _ROW.state == "pending"
            )
            rows = connection.execute(query.order_by(_ROW.id)).all()
            email = connection.execute(confirmed(run.payload["user"])).scalar()
        if not rows:
            return  # sent already, by a worker that was killed between its log and its job
        failure = self._try(email, run.id, _subject(rows), _text(rows))
        is_over = failure is None or isinstance(failure, Refused) or run.attempt >= ATTEMPTS
        state = "pending" if not is_over else "succeeded" if failure is None else "failed"
        values: dict[str, Any] = {"state": state, "finished_at": clock.now() if is_over else None}
        values |= {"error": None if failure is None else failure.detail[:512]}
        with self._database.write() as session:
            run.hold(session)
            _change(session, _ROW.mail_id == run.id, **values, attempts=_ROW.attempts + 1)
        if failure is not None and not isinstance(failure, Refused):
            raise failure

    def forget(self) -> None:
        """Delete what users were told long ago."""
        delete_old(self._database, _ROW, _ROW.created_at < clock.now() - KEEP)

    def _try(self, email: str | None, id: str, subject: str, text: str) -> Refused | NotReady | None:
        if self._mailer is None:
            return Refused("Mail is not configured any more.", code="mail_not_configured")
        if email is None:
            return Refused("The address is not confirmed any more.", code="email_not_confirmed")
        try:
            self._mailer.send(Mail(id=id, to=email, subject=subject, text=text))
        except (Refused, NotReady) as failure:
            return failure
        return None


def _add(session: Session, user_id: str, kind: str, title: str, text: str) -> str:
    made = ids.new_id()
    row = {"id": made, "user_id": user_id, "kind": kind, "title": title[:200], "text": text, "state": "pending"}
    session.execute(insert(_ROW).values(**row, attempts=0, created_at=clock.now()))
    return made


def _change(session: Session, which: Any, **values: Any) -> None:
    session.execute(update(_ROW).where(which).values(values), execution_options={"synchronize_session": False})


def _subject(rows: Sequence[Any]) -> str:
    return str(rows[0].title) if len(rows) == 1 else f"{len(rows)} things happened"


def _text(rows: Sequence[Any]) -> str:
    told = [f"{row.created_at:%Y-%m-%d %H:%M:%S} UTC  {row.title}" + (row.text and f"\n\n{row.text}\n") for row in rows]
    return "\n".join(told) + "\n" + _FOOTER
