"""The e-mail addresses that users have proved to be theirs, by a code that was sent there."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit, jobs
from services.audit import Origin
from services.jobs import Run
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock
from utils.errors import Conflict, FieldError, Refused, TooMany
from utils.smtp import Mail, Mailer
from utils.wire import Message

JOB = "mail_code"
FAREWELL = "mail_farewell"
DIGITS = 8
MINUTES = 30
TRIES = 5
A_DAY = timedelta(days=1)
CODES_A_DAY = 5
"""Codes that are sent to an address within a day, whoever asks: nobody has proved that mail is welcome there."""

WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120))
"""How long to wait for another code after the first, the second and so on within a day."""

_ADDRESS = models.MailAddress


class MailState(Message, frozen=True, kw_only=True):
    """Where a user is told by e-mail; nowhere until they have confirmed the address of their profile."""

    email: str
    is_confirmed: bool
    is_available: bool


def confirmed(user_id: str) -> Select[str]:
    """Return the query of the address of an active user, if it is confirmed and still the one of their profile."""
    query = _email(user_id).join(_ADDRESS, _ADDRESS.user_id == models.User.id)
    return query.where(_ADDRESS.confirmed_at.is_not(None), _ADDRESS.email == models.User.email)


def not_configured() -> Conflict:
    """Return the error of an installation without a mail server."""
    return Conflict("This installation sends no mail: SMTP_URL is not set.", code="mail_not_configured")


class MailAddresses:
    """Let users confirm their addresses. `mailer` is None where mail is not configured."""

    def __init__(self, database: Database, mailer: Mailer | None) -> None:
        self._database = database
        self._mailer = mailer

    def state(self, principal: Principal) -> MailState:
        """Return where the caller is told."""
        user = select(models.User.email).where(models.User.id == principal.user_id)
        with self._database.read() as connection:
            email = connection.execute(user).scalar_one()
            is_confirmed = connection.execute(confirmed(principal.user_id)).first() is not None
        return MailState(email=email, is_confirmed=is_confirmed, is_available=self._mailer is not None)

    def ask(self, principal: Principal, origin: Origin) -> MailState:
        """Send a code to the address of the caller's profile.

        :raises Conflict: `mail_not_configured`, or `email_confirmed` when it is already.
        :raises TooMany: `code_sent` when the last one was sent just now, or `CODES_A_DAY` were within a day.
        """
        if self._mailer is None:
            raise not_configured()
        moment = clock.now()
        with self._database.write() as session:
            lock_user(session, principal.user_id)
            email = session.execute(select(models.User.email).where(models.User.id == principal.user_id)).scalar_one()
            if session.execute(confirmed(principal.user_id)).first() is not None:
                raise Conflict("Your address is confirmed.", code="email_confirmed")
            last = session.execute(select(_ADDRESS.asked_at).where(_ADDRESS.user_id == principal.user_id)).scalar()
            key = _job_key(session, email, last, moment)
            asked = {"email": email, "digest": None, "good_until": None, "confirmed_at": None, "asked_at": moment}
            statement = self._database.insert(_ADDRESS).values(user_id=principal.user_id, attempts=0, **asked)
            session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_={**asked, "attempts": 0}))
            # the code is drawn when it is sent: nothing that is kept tells it
            payload = {"user": principal.user_id, "asked_at": moment.isoformat()}
            jobs.add(session, JOB, payload, user_id=principal.user_id, key=key)
            audit.record(session, origin, "email.code_asked", user_id=principal.user_id, target=principal.user_id)
        return MailState(email=email, is_confirmed=False, is_available=True)

    def confirm(self, principal: Principal, origin: Origin, code: str) -> MailState:
        """Take the code that was sent as the proof that the address is the caller's.

        :raises Refused: `wrong_code` when it is another one, too old, used, or was guessed at too often.
        """
        moment = clock.now()
        mine = _ADDRESS.user_id == principal.user_id
        with self._database.write() as session:
            row = session.execute(select(_ADDRESS.__table__).where(mine).with_for_update()).first()
            is_right = False
            if row is not None and row.digest is not None and row.good_until > moment and row.attempts < TRIES:
                email = session.execute(_email(principal.user_id)).scalar()
                is_right = row.email == email and hmac.compare_digest(_digest(principal.user_id, code), row.digest)
            if is_right:
                session.execute(update(_ADDRESS).where(mine).values(digest=None, good_until=None, confirmed_at=moment))
                who = principal.user_id
                audit.record(session, origin, "email.confirmed", user_id=who, target=who)
            else:
                session.execute(update(_ADDRESS).where(mine).values(attempts=_ADDRESS.attempts + 1))
        if not is_right:
            error = FieldError(field="code", code="wrong_code", message="This is not the code, or not any more.")
            raise Refused("The code is wrong.", code="wrong_code", errors=(error,))
        return self.state(principal)

    def leave(self, session: Session, user_id: str) -> None:
        """Tell the address of a user, if it is confirmed, that another takes its place when `session` commits."""
        email = session.execute(confirmed(user_id)).scalar()
        if email is not None and self._mailer is not None:
            jobs.add(session, FAREWELL, {"email": email}, user_id=user_id)

    def send_farewell(self, run: Run) -> None:
        """Do a job: tell an address that it was changed, so that its owner learns of a thief.

        :raises NotReady: it was not taken, and is to be tried again. :raises Refused: it never will be.
        """
        if self._mailer is None:
            return
        text = (
            "Your user has another e-mail address now. This one gets no more mail, and no longer signs in.\n\n"
            "If it was not you who changed it, tell the operator of this installation.\n"
        )
        self._mailer.send(Mail(id=run.id, to=run.payload["email"], subject="Your address was changed", text=text))

    def send_code(self, run: Run) -> None:
        """Do a job: send a code to an address that is to be confirmed; each try draws another one.

        :raises NotReady: it was not taken, and is to be tried again. :raises Refused: it never will be.
        """
        if self._mailer is None:
            return
        user_id, code = run.payload["user"], "".join(secrets.choice("0123456789") for _ in range(DIGITS))
        asked = (
            _ADDRESS.user_id == user_id,
            _ADDRESS.asked_at == datetime.fromisoformat(run.payload["asked_at"]),
            _ADDRESS.confirmed_at.is_(None),
        )
        good_until = clock.now() + timedelta(minutes=MINUTES)
        with self._database.write() as session:
            run.hold(session)
            kept = update(_ADDRESS).where(*asked).values(digest=_digest(user_id, code), good_until=good_until)
            email = session.execute(kept.returning(_ADDRESS.email)).scalar()
        if email is None:
            return  # a later one was asked for, or the user is gone
        text = f"Your code is {code}. It is good for {MINUTES} minutes.\n\nIf you did not ask for it, ignore this.\n"
        self._mailer.send(Mail(id=f"{run.id}.{run.attempt}", to=email, subject="Confirm your address", text=text))


def _job_key(session: Session, email: str, last: datetime | None, moment: datetime) -> str:
    """Return the key of the job that sends the next code to `email`; the keys of a day tell how many were sent.

    :param last: when the caller asked for their last code.
    :raises TooMany: `code_sent` when it is too early for another.
    """
    address = hashlib.sha256(email.casefold().encode()).hexdigest()
    yesterday, today = (
        [f"{JOB}:{address}:{day:%Y%m%d}:{number}" for number in range(CODES_A_DAY)] for day in (moment - A_DAY, moment)
    )
    query = select(models.Job.key, models.Job.created_at).where(models.Job.key.in_([*yesterday, *today]))
    sent = {row.key: row.created_at for row in session.execute(query)}
    recent = sorted(created_at for created_at in sent.values() if moment - created_at < A_DAY)
    if len(recent) >= CODES_A_DAY:
        again = recent[-CODES_A_DAY] + A_DAY
        raise _too_early(f"{CODES_A_DAY} codes were sent within a day.", again - moment)
    wait = WAITS[max(len(recent), 1) - 1]
    if last is not None and moment - last < wait:
        minutes = wait // timedelta(minutes=1)
        span = "minute" if minutes == 1 else f"{minutes} minutes"
        raise _too_early(f"A code was sent within the last {span}.", last + wait - moment)
    return next(key for key in today if key not in sent)


def _too_early(detail: str, wait: timedelta) -> TooMany:
    return TooMany(detail, code="code_sent", retry_after=int(wait.total_seconds()) + 1)


def _email(user_id: str) -> Select[str]:
    return select(models.User.email).where(models.User.id == user_id, models.User.is_active)


def _digest(user_id: str, code: str) -> str:
    return hashlib.sha256(f"{user_id}:{code}".encode()).hexdigest()
