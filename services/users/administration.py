"""Administration of users: search them, change their rights, and end what they have open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.audit import Origin
from services.paging import newest_first
from services.principals import Principal
from services.users import api_keys, second_factors, session_rows
from services.users.api_keys import ApiKeys
from services.users.deactivation import Deactivation
from services.users.sessions import Sessions
from utils import clock
from utils.errors import Conflict, NotFound
from utils.pages import DEFAULT_LIMIT, Cursor, Page
from utils.wire import Actor, Message

_ROW = models.User
_TOTP = exists().where(models.SecondFactor.user_id == _ROW.id, models.SecondFactor.confirmed_at.is_not(None))
_SEEN = select(func.max(models.Session.last_used_at)).where(models.Session.user_id == _ROW.id).scalar_subquery()
_COLUMNS = (
    _ROW.id,
    _ROW.username,
    _ROW.email,
    _ROW.role,
    _ROW.is_active,
    _ROW.created_at,
    _ROW.deleted_at,
    _TOTP.label("totp_enabled"),
    _SEEN.label("last_seen_at"),
)


@dataclass(frozen=True, kw_only=True)
class UserFilters:
    """Which users are wanted, newest first; `search` is a part of the username or the address."""

    search: str | None = None
    role: str | None = None
    is_active: bool | None = None
    limit: int = DEFAULT_LIMIT
    cursor: Cursor | None = None


@dataclass(frozen=True, kw_only=True)
class UserChanges:
    """What to change of a user; None and False leave things as they are."""

    is_active: bool | None = None
    role: str | None = None
    reset_totp: bool = False
    end_sessions: bool = False


class ManagedUser(Message, frozen=True, kw_only=True):
    """A user as administrators see them; `last_seen_at` is when a session of theirs was last opened or refreshed."""

    id: str
    username: str
    email: str
    role: str
    is_active: bool
    totp_enabled: bool
    created_at: datetime
    last_seen_at: datetime | None
    deleted_at: datetime | None


class UserDetails(ManagedUser, frozen=True, kw_only=True):
    """A user with what they have open; `kill_switch` tells that one of their own or of an administrator holds."""

    accounts: int
    open_orders: int
    sessions: int
    api_keys: int
    kill_switch: bool


class Administration:
    """Look at and change users; for administrators, whose permission the routes check."""

    def __init__(self, database: Database, sessions: Sessions, keys: ApiKeys, deactivation: Deactivation) -> None:
        self._database = database
        self._sessions = sessions
        self._keys = keys
        self._deactivation = deactivation

    def list(self, filters: UserFilters) -> Page[ManagedUser]:
        """Return a page of users, newest first."""
        return users(self._database, filters)

    def get(self, user_id: str) -> UserDetails:
        """Return a user with what they have open. :raises NotFound: `user_not_found`."""
        query = select(*_COLUMNS, *_counts(user_id)).where(_ROW.id == user_id)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise _not_found()
        return UserDetails(**row._mapping)

    def change(
        self, principal: Principal, actor: Actor, origin: Origin, user_id: str, changes: UserChanges
    ) -> UserDetails:
        """Change a user. Ending their sessions ends their API keys; deactivating does both, and stops their trading.

        :raises NotFound: `user_not_found`. :raises Conflict: `last_admin`, or `user_deleted`.
        :raises BridgeError: the engine is away: what SQL holds is changed, trading is not stopped (or let go on) yet,
            and repeating the request completes it.
        """
        with self._database.write() as session:
            before = lock(session, user_id)
            after = {
                "is_active": before.is_active if changes.is_active is None else changes.is_active,
                "role": changes.role or before.role,
            }
            if after != {"is_active": True, "role": "admin"}:
                keep_an_admin(session, user_id)
            session.execute(update(_ROW).where(_ROW.id == user_id).values(**after, updated_at=clock.now()))
            ends = changes.end_sessions or not after["is_active"]
            self._record(session, principal, origin, before, changes)
            if ends:
                session_rows.revoke(session, models.Session.user_id == user_id, "ended_by_admin")
                api_keys.end_all(session, origin, user_id, by=principal.user_id)
        self._sessions.forget(user_id)
        self._keys.forget(user_id)
        if changes.is_active is False:
            self._deactivation.stop_trading(actor, user_id)
        elif changes.is_active:
            self._deactivation.resume_trading(actor, user_id)
        return self.get(user_id)

    def _record(
        self, session: Session, principal: Principal, origin: Origin, before: Any, changes: UserChanges
    ) -> None:
        def record(action: str, **detail: str) -> None:
            audit.record(session, origin, action, user_id=principal.user_id, target=before.id, detail=detail or None)

        if changes.is_active is not None and changes.is_active != before.is_active:
            record("user.activated" if changes.is_active else "user.deactivated")
        if changes.role is not None and changes.role != before.role:
            record("user.role_changed", before=before.role, after=changes.role)
        if changes.reset_totp and second_factors.forget(session, before.id):
            record("totp.reset")
        if changes.end_sessions:
            record("sessions.ended")


def users(database: Database, filters: UserFilters) -> Page[ManagedUser]:
    """Return a page of users, newest first."""
    with database.read() as connection:
        rows = connection.execute(_listed(filters).limit(filters.limit + 1)).all()
    return Page.of([ManagedUser(**row._mapping) for row in rows], filters.limit)


def lock(session: Session, user_id: str, *, also_rows: bool = False) -> Any:
    """Keep all administrators and a user as they are until the transaction ends, and return the user's row.

    :param also_rows: let nobody write rows that refer to them either: for who is about to change names and addresses,
        which waits for such rows anyhow.
    :raises NotFound: `user_not_found`. :raises Conflict: `user_deleted`.
    """
    # always in one order, so that two who lock the same rows wait for each other instead of failing
    admins = and_(_ROW.role == "admin", _ROW.is_active)
    locked = select(_ROW.id).where(or_(admins, _ROW.id == user_id)).order_by(_ROW.id)
    session.execute(locked.with_for_update(key_share=not also_rows)).all()
    row = session.execute(select(_ROW.__table__).where(_ROW.id == user_id)).one_or_none()
    if row is None:
        raise _not_found()
    if row.deleted_at is not None:
        raise Conflict("This user was deleted.", code="user_deleted")
    return row


def keep_an_admin(session: Session, user_id: str) -> None:
    """Make sure, with `lock` held, that there is an active administrator other than the user, if they are one.

    :raises Conflict: `last_admin`.
    """
    admins = select(_ROW.id).where(_ROW.role == "admin", _ROW.is_active)
    if set(session.execute(admins).scalars()) == {user_id}:
        detail = "This is the last active administrator: make somebody else one first."
        raise Conflict(detail, code="last_admin")


def _listed(filters: UserFilters) -> Select[*tuple[Any, ...]]:
    query = select(*_COLUMNS)
    if filters.search is not None:
        part = filters.search.casefold()
        query = query.where(
            or_(_ROW.username_key.contains(part, autoescape=True), _ROW.email_key.contains(part, autoescape=True))
        )
    if filters.role is not None:
        query = query.where(_ROW.role == filters.role)
    if filters.is_active is not None:
        query = query.where(_ROW.is_active.is_(filters.is_active))
    return newest_first(query, _ROW, filters.cursor)


def _counts(user_id: str) -> tuple[Any, ...]:
    account, order, session, key = models.Account, models.Order, models.Session, models.ApiKey
    switch = models.KillSwitch

    def count(table: Any, *conditions: Any) -> Any:
        return select(func.count()).select_from(table).where(table.user_id == user_id, *conditions).scalar_subquery()

    now = clock.now()
    return (
        count(account, account.status == "active").label("accounts"),
        count(order, order.closed_at.is_(None)).label("open_orders"),
        count(session, session.revoked_at.is_(None), session.expires_at > now).label("sessions"),
        count(key).label("api_keys"),
        exists().where(switch.scope == "user", switch.target == user_id).label("kill_switch"),
    )


def _not_found() -> NotFound:
    return NotFound("There is no such user.", code="user_not_found")
