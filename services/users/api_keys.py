"""API keys: what programs send instead of a token."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.audit import Origin
from services.paging import oldest_first
from services.principals import CALLER_SECONDS, CALLERS, ROLES, SCOPES, Principal
from services.users import session_rows
from services.users.second_factors import SecondFactors
from utils import clock, ids
from utils.errors import Conflict, FieldError, NotFound, Refused, StorageUnavailable, Unauthenticated
from utils.pages import Cursor, Page
from utils.wire import Message

PREFIX = "tbk_"
HINT_LENGTH = len(PREFIX) + 4
MAX_KEYS = 25
"""Keys a user may have at a time; each has a rate limit of its own."""

USE_NOTED = timedelta(minutes=1)
"""The use of a key is written down once in this time, not for every request."""

_SHAPE = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_ROW = models.ApiKey
_COLUMNS = (_ROW.id, _ROW.name, _ROW.hint, _ROW.scopes, _ROW.created_at, _ROW.last_used_at)
_CALLER = (
    select(
        _ROW.id.label("key_id"),
        _ROW.scopes,
        _ROW.last_used_at,
        models.User.id,
        models.User.username,
        models.User.role,
    )
    .join(models.User, models.User.id == _ROW.user_id)
    .where(_ROW.digest == bindparam("digest"), models.User.is_active)
)


class ApiKey(Message, frozen=True, kw_only=True):
    """A key as its owner sees it; `hint` is how it begins."""

    id: str
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None


class NewApiKey(Message, frozen=True, kw_only=True):
    """A key that is wanted, and what the caller proves with that it is they: a stolen token makes none."""

    name: str
    scopes: list[str]
    password: str
    totp: str | None = None


class CreatedApiKey(ApiKey, frozen=True, kw_only=True):
    """A new key, with the key itself: it is told this once."""

    key: str


class ApiKeys:
    """Make, list and end the keys of users, and tell whom one stands for."""

    def __init__(self, database: Database, second_factors: SecondFactors) -> None:
        self._database = database
        self._second_factors = second_factors
        self._callers: dict[str, tuple[float, Principal]] = {}
        """When and as whom the owner of a key was looked up, by its digest."""

    def list(self, principal: Principal, *, limit: int, cursor: Cursor | None = None) -> Page[ApiKey]:
        """Return a page of the caller's keys, oldest first."""
        query = select(*_COLUMNS).where(_ROW.user_id == principal.user_id)
        query = oldest_first(query, _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([_api_key(row) for row in rows], limit)

    def create(self, principal: Principal, origin: Origin, new: NewApiKey) -> CreatedApiKey:
        """Make a key; only its hash is kept.

        :raises Refused: `scope_not_held` when the caller's role has nothing of a scope; `wrong_password`; with a second
            factor `totp_required` or `totp_invalid`.
        :raises Conflict: `too_many_api_keys`. :raises Overloaded: when too many passwords are checked at once.
        """
        _check_scopes(principal, new.scopes)
        password_hash = self._second_factors.check(principal, origin, "api_key.created", new.password, new.totp)
        key = PREFIX + secrets.token_urlsafe(32)
        made = CreatedApiKey(
            id=ids.new_id(),
            name=new.name,
            hint=key[:HINT_LENGTH],
            scopes=[scope for scope in SCOPES if scope in new.scopes],
            created_at=clock.now(),
            last_used_at=None,
            key=key,
        )
        with self._database.write() as session:
            # the lock lets one key of a user be made at a time, and none once the password was changed
            if not session_rows.lock(session, principal.user_id, password_hash):
                raise Unauthenticated("The session has ended; sign in again.", code="session_ended")
            _check_room(session, principal)
            session.execute(
                insert(_ROW).values(
                    id=made.id,
                    user_id=principal.user_id,
                    name=made.name,
                    hint=made.hint,
                    digest=_digest(key),
                    scopes=" ".join(made.scopes),
                    created_at=made.created_at,
                )
            )
            audit.record(session, origin, "api_key.created", user_id=principal.user_id, target=made.id)
        return made

    def delete(self, principal: Principal, origin: Origin, api_key_id: str) -> ApiKey:
        """End a key of the caller, and return what it was. :raises NotFound: `api_key_not_found`."""
        mine = (_ROW.id == api_key_id, _ROW.user_id == principal.user_id)
        with self._database.write() as session:
            row = session.execute(delete(_ROW).where(*mine).returning(*_COLUMNS, _ROW.digest)).first()
            if row is None:
                raise NotFound("You have no such API key.", code="api_key_not_found")
            audit.record(session, origin, "api_key.deleted", user_id=principal.user_id, target=api_key_id)
        self._callers.pop(row.digest, None)
        return _api_key(row)

    def principal(self, key: str) -> Principal:
        """Return whom `key` stands for, as the database knew them at most `CALLER_SECONDS` ago.

        :raises Unauthenticated: `api_key_invalid`, also when its owner is not active any more.
        """
        if not _SHAPE.fullmatch(key):
            raise _invalid()
        digest, began = _digest(key), time.monotonic()
        known = self._callers.get(digest)
        if known is not None and began - known[0] < CALLER_SECONDS:
            return known[1]
        with self._database.read() as connection:
            row = connection.execute(_CALLER, {"digest": digest}).first()
        if row is None:
            raise _invalid()
        self._note_use(row.key_id, row.last_used_at)
        caller = Principal(
            user_id=row.id,
            username=row.username,
            role=row.role,
            session_id=row.key_id,
            key_id=row.key_id,
            scopes=frozenset(row.scopes.split()),
        )
        if len(self._callers) >= CALLERS:
            self._callers.clear()
        self._callers[digest] = (began, caller)
        return caller

    def forget(self, user_id: str) -> None:
        """Look the owner of these keys up anew; other processes do within `CALLER_SECONDS`."""
        for digest in [digest for digest, (_, caller) in list(self._callers.items()) if caller.user_id == user_id]:
            self._callers.pop(digest, None)

    def _note_use(self, key_id: str, noted: datetime | None) -> None:
        now = clock.now()
        if noted is not None and now - noted < USE_NOTED:
            return
        stale = or_(_ROW.last_used_at.is_(None), _ROW.last_used_at <= now - USE_NOTED)
        # a database that cannot be written keeps nobody from reading
        with suppress(StorageUnavailable), self._database.write() as session:
            session.execute(update(_ROW).where(_ROW.id == key_id, stale).values(last_used_at=now))


def end_all(session: Session, origin: Origin, user_id: str, *, by: str | None) -> None:
    """End every key of a user; other processes notice within `CALLER_SECONDS`.

    :param by: who ends them, None for the operator at the command line.
    """
    ended = session.execute(delete(_ROW).where(_ROW.user_id == user_id).returning(_ROW.id)).all()
    if ended:
        audit.record(session, origin, "api_keys.ended", user_id=by, target=user_id)


def _check_scopes(principal: Principal, scopes: list[str]) -> None:
    held = ROLES.get(principal.role, frozenset())
    for scope in scopes:
        if not held & SCOPES[scope]:
            detail = f"Your role has nothing of the scope {scope}."
            error = FieldError(field="scopes", code="scope_not_held", message=detail)
            raise Refused(detail, code="scope_not_held", errors=(error,))


def _check_room(session: Session, principal: Principal) -> None:
    count = select(func.count()).select_from(_ROW).where(_ROW.user_id == principal.user_id)
    if session.execute(count).scalar_one() >= MAX_KEYS:
        raise Conflict(f"You have {MAX_KEYS} API keys, as many as there may be; delete one.", code="too_many_api_keys")


def _digest(key: str) -> str:
    # 256 random bits: there is nothing to guess that a slow hash would protect
    return hashlib.sha256(key.encode()).hexdigest()


def _api_key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        hint=row.hint,
        scopes=row.scopes.split(),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
    )


def _invalid() -> Unauthenticated:
    return Unauthenticated("The API key is not valid.", code="api_key_invalid")
