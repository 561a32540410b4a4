"""The rows of sessions: whose a session is, whether it is alive, and its end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    TableValuedAlias,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from models import ApiKey, RefreshToken, StreamTicket, User
from models import Session as SessionRow
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock
from utils.errors import Unauthenticated
from utils.wire import Message

KNOWN_FOR = timedelta(days=60)
"""How long after a session has expired its user is still known where it was opened."""

_CALLER = (
    select(
        User.id,
        User.username,
        User.role,
        User.is_active,
        SessionRow.expires_at,
        SessionRow.revoked_at,
    )
    .join(SessionRow, SessionRow.user_id == User.id)
    .where(SessionRow.id == bindparam("session"))
)


class OpenSession(Message, frozen=True, kw_only=True):
    """A session that has not ended, as its user sees it; `is_current` tells that it is the one that asks."""

    id: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    is_current: bool


def named(key: str) -> ColumnElement[bool]:
    """Return the condition that `key`, case-folded, names a user."""
    # a username has no "@" and an address has one, so one name never means two users
    return or_(User.username_key == key, User.email_key == key)


def alive(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a session, joined with its user, has not ended at `now`."""
    return and_(SessionRow.revoked_at.is_(None), SessionRow.expires_at > now, User.is_active)


def ended(given: TableValuedAlias, now: datetime) -> Select[str]:
    """Return the query for which of the given ids belong neither to a session that is alive nor to an API key."""
    # as scalars: of an EXISTS PostgreSQL may make a join, which compares every session with every other
    living = (
        select(SessionRow.id)
        .join(User, User.id == SessionRow.user_id)
        .where(SessionRow.id == given.c.value, alive(now))
        .scalar_subquery()
    )
    key = (
        select(ApiKey.id)
        .join(User, User.id == ApiKey.user_id)
        .where(ApiKey.id == given.c.value, User.is_active)
        .scalar_subquery()
    )
    return select(given.c.value).where(func.coalesce(living, key).is_(None))


def caller(connection: Connection, session_id: str, user_id: str | None = None) -> Principal:
    """Return whose a session is.

    :param user_id: whose it has to be, when that is known.
    :raises Unauthenticated: `session_ended` when it was revoked or expired or the user is not active any more.
    """
    row = connection.execute(_CALLER, {"session": session_id}).first()
    if (
        row is None
        or user_id not in (None, row.id)
        or row.revoked_at is not None
        or row.expires_at <= clock.now()
        or not row.is_active
    ):
        raise Unauthenticated("The session has ended; sign in again.", code="session_ended")
    return Principal(user_id=row.id, username=row.username, role=row.role, session_id=session_id)


def forget_expired(session: Session, user_id: str, now: datetime) -> None:
    """Delete what expired sessions of the user left; the sessions themselves tell for a while where they signed in."""
    theirs = select(SessionRow.id).where(SessionRow.user_id == user_id, SessionRow.expires_at < now)
    session.execute(delete(RefreshToken).where(RefreshToken.session_id.in_(theirs)))
    session.execute(delete(StreamTicket).where(StreamTicket.session_id.in_(theirs)))
    old = (SessionRow.user_id == user_id) & (SessionRow.expires_at < now - KNOWN_FOR)
    session.execute(delete(SessionRow).where(old))


def use(session: Session, token_id: str) -> bool:
    """Mark a refresh token as used; of any number of callers at once exactly one is told True."""
    unused = (RefreshToken.id == token_id) & RefreshToken.used_at.is_(None)
    marked = update(RefreshToken).where(unused).values(used_at=clock.now()).returning(RefreshToken.id)
    return session.execute(marked).first() is not None


def revoke(session: Session, which: ColumnElement[bool], reason: str) -> int:
    """End the sessions that `which` describes and that have not ended yet; return how many."""
    live = and_(which, SessionRow.revoked_at.is_(None))
    ended = update(SessionRow).where(live).values(revoked_at=clock.now(), revoked_reason=reason)
    return len(session.execute(ended.returning(SessionRow.id)).all())


def lock(session: Session, user_id: str, password_hash: str) -> bool:
    """Keep the user as they are until the transaction ends; tell whether they are active and have that hash still."""
    return lock_user(session, user_id, User.password_hash == password_hash, User.is_active)


def shown(row: Any, principal: Principal) -> OpenSession:
    """Return a session as `principal` sees it."""
    return OpenSession(
        id=row.id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        ip=row.ip,
        user_agent=row.user_agent,
        is_current=row.id == principal.session_id,
    )
