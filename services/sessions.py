"""Sessions: signing in, refreshing, signing out, and who a token stands for."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NoReturn

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.orm import Session

from models import Database, RefreshToken, User
from models import Session as SessionRow
from services import audit, second_factors
from services.audit import Origin
from services.passwords import Passwords
from services.principals import Principal
from services.second_factors import SecondFactors
from services.tokens import ACCESS_LIFETIME, SESSION_LIFETIME, Claims, Tokens
from utils import clock, ids
from utils.errors import Forbidden, TradingError, Unauthenticated
from utils.wire import Message

KNOWN_FOR = timedelta(days=60)
"""How long after a session has expired its user is still known where it was opened."""

CALLER_SECONDS = 1.0
"""How long a caller who was looked up is taken for unchanged; the process that ends a session forgets it at once."""

CALLERS = 10_000

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
    .where(SessionRow.id == bindparam("session"), User.id == bindparam("user"))
)


class LogIn(Message, frozen=True, kw_only=True):
    """Sign in as the user whose username or address is `name`; `totp` is a code of their second factor."""

    name: str
    password: str
    totp: str | None = None


class TokenPair(Message, frozen=True, kw_only=True):
    """What a client gets for signing in or refreshing; `expires_in` is the access token's life in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme
    expires_in: int
    refresh_token: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """Whom a login is aimed at, for counting attempts: a user's id, or a hash of the name when there is no such user.

    `known` tells that the user has signed in from this address before.
    """

    target: str
    known: bool


class Sessions:
    """Open, carry on and end sessions."""

    def __init__(self, database: Database, hasher: Passwords, tokens: Tokens, second_factors: SecondFactors) -> None:
        self._database = database
        self._hasher = hasher
        self._tokens = tokens
        self._second_factors = second_factors
        self._callers: dict[tuple[str, str], tuple[float, Principal]] = {}
        """When and as whom the user of a session was looked up."""

    def log_in(self, command: LogIn, origin: Origin) -> TokenPair:
        """Open a session.

        :raises Unauthenticated: `invalid_credentials`, whether the name or the password is wrong; when they are right
            and the user has a second factor, `totp_required` without a code and `totp_invalid` with a wrong one.
        :raises Forbidden: `user_inactive` when the password is right but the user was deactivated.
        :raises Overloaded: when too many sign in at once.
        """
        with self._database.read() as connection:
            user = connection.execute(select(User).where(_named(command.name.casefold()))).first()
        # an unknown user costs the same hash as a known one
        right = self._hasher.verify(user.password_hash if user else None, command.password)
        if user is None or not right:
            wrong = Unauthenticated("The name or the password is wrong.", code="invalid_credentials")
            self._refuse(user.id if user else None, wrong, origin)
        if not user.is_active:
            self._refuse(user.id, Forbidden("This user has been deactivated.", code="user_inactive"), origin)
        rehashed = self._hasher.hash(command.password) if self._hasher.is_outdated(user.password_hash) else None
        self._check_second_factor(user.id, command.totp, origin)
        with self._database.write() as session:
            if rehashed is not None:
                # only if it is still the hash that was verified: a password changed meanwhile stays changed
                still = and_(User.id == user.id, User.password_hash == user.password_hash)
                session.execute(update(User).where(still).values(password_hash=rehashed))
            return self._open(session, user.id, is_admin=user.role == "admin", origin=origin)

    def refresh(self, refresh_token: str, origin: Origin) -> TokenPair:
        """Exchange a refresh token, which is good for one use, for a new pair.

        :raises Unauthenticated: `token_reused` when it was used before (its session ends with that), else
            `token_invalid`, `token_expired` or `session_ended`.
        """
        claims = self._tokens.read(refresh_token, "refresh")
        with self._database.write() as session:
            if _use(session, claims.token_id):
                caller = _caller(session.connection(), claims)
                audit.record(session, origin, "session.refreshed", user_id=caller.user_id, target=claims.session_id)
                return self._pair(session, caller.user_id, claims.session_id, is_admin=caller.role == "admin")
            reused = session.execute(select(exists().where(RefreshToken.id == claims.token_id))).scalar_one()
            if reused:
                _revoke(session, claims.session_id, "token_reused")
                audit.denied(
                    session,
                    origin,
                    "session.refreshed",
                    "token_reused",
                    user_id=claims.user_id,
                    target=claims.session_id,
                )
        if reused:
            self._callers.pop((claims.session_id, claims.user_id), None)
            raise Unauthenticated("The refresh token was used before; sign in again.", code="token_reused")
        raise Unauthenticated("The token is not valid.", code="token_invalid")

    def log_out(self, principal: Principal, origin: Origin) -> None:
        """End the caller's session: its access and refresh tokens are worth nothing from now on."""
        with self._database.write() as session:
            _revoke(session, principal.session_id, "logout")
            audit.record(session, origin, "session.ended", user_id=principal.user_id, target=principal.session_id)
        self._callers.pop((principal.session_id, principal.user_id), None)

    def principal(self, access_token: str) -> Principal:
        """Return who `access_token` stands for, as the database knew them at most `CALLER_SECONDS` ago.

        :raises Unauthenticated: `token_invalid`, `token_expired`, or `session_ended` when the session was revoked or
            expired or the user is not active any more.
        """
        claims = self._tokens.read(access_token, "access")
        key = (claims.session_id, claims.user_id)
        began = time.monotonic()
        known = self._callers.get(key)
        if known is not None and began - known[0] < CALLER_SECONDS:
            return known[1]
        with self._database.read() as connection:
            caller = _caller(connection, claims)
        if len(self._callers) >= CALLERS:
            self._callers.clear()
        self._callers[key] = (began, caller)
        return caller

    def source(self, name: str, ip: str | None) -> Source:
        """Return whom a login as `name` from `ip` is aimed at."""
        key = name.casefold()
        before = exists().where(SessionRow.user_id == User.id, SessionRow.ip == ip)
        query = select(User.id, before).where(_named(key))
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            # people type passwords into the wrong field: what is no name is not kept as it is
            return Source(target=hashlib.sha256(key.encode()).hexdigest(), known=False)
        return Source(target=row[0], known=bool(row[1]))

    def _check_second_factor(self, user_id: str, code: str | None, origin: Origin) -> None:
        with self._database.read() as connection:
            if not second_factors.is_on(connection, user_id):
                return
        if code is None:
            self._refuse(user_id, Unauthenticated("Send the code of your app as totp.", code="totp_required"), origin)
        with self._database.write() as session:
            right = self._second_factors.spend(session, user_id, code)
        if not right:
            wrong = Unauthenticated("The code is wrong, or was used before.", code="totp_invalid")
            self._refuse(user_id, wrong, origin)

    def _refuse(self, user_id: str | None, error: TradingError, origin: Origin) -> NoReturn:
        with self._database.write() as session:
            audit.denied(session, origin, "session.started", error.code, user_id=user_id, target=user_id)
        raise error

    def _open(self, session: Session, user_id: str, *, is_admin: bool, origin: Origin) -> TokenPair:
        opened = clock.now()
        _forget_expired(session, user_id, opened)
        session_id = ids.new_id()
        session.execute(
            insert(SessionRow).values(
                id=session_id,
                user_id=user_id,
                created_at=opened,
                last_used_at=opened,
                expires_at=opened + SESSION_LIFETIME,
                ip=origin.ip,
                user_agent=origin.user_agent,
            )
        )
        audit.record(session, origin, "session.started", user_id=user_id, target=session_id)
        return self._pair(session, user_id, session_id, is_admin=is_admin)

    def _pair(self, session: Session, user_id: str, session_id: str, *, is_admin: bool) -> TokenPair:
        token_id = ids.new_id()
        now = clock.now()
        used = update(SessionRow).where(SessionRow.id == session_id).values(last_used_at=now)
        expires_at = session.execute(used.returning(SessionRow.expires_at)).scalar_one()
        session.execute(
            insert(RefreshToken).values(id=token_id, session_id=session_id, created_at=now, expires_at=expires_at)
        )
        access = Claims(user_id=user_id, session_id=session_id, token_id=ids.new_id())
        following = Claims(user_id=user_id, session_id=session_id, token_id=token_id)
        return TokenPair(
            access_token=self._tokens.access(access, is_admin=is_admin),
            expires_in=int(ACCESS_LIFETIME.total_seconds()),
            refresh_token=self._tokens.refresh(following, expires_at=expires_at),
        )


def _named(key: str) -> ColumnElement[bool]:
    # a username has no "@" and an address has one, so one name never means two users
    return or_(User.username_key == key, User.email_key == key)


def _caller(connection: Connection, claims: Claims) -> Principal:
    row = connection.execute(_CALLER, {"session": claims.session_id, "user": claims.user_id}).first()
    if row is None or row.revoked_at is not None or row.expires_at <= clock.now() or not row.is_active:
        raise Unauthenticated("The session has ended; sign in again.", code="session_ended")
    return Principal(user_id=row.id, username=row.username, role=row.role, session_id=claims.session_id)


def _forget_expired(session: Session, user_id: str, now: datetime) -> None:
    """Delete what expired sessions of the user left; the sessions themselves tell for a while where they signed in."""
    theirs = select(SessionRow.id).where(SessionRow.user_id == user_id, SessionRow.expires_at < now)
    session.execute(delete(RefreshToken).where(RefreshToken.session_id.in_(theirs)))
    old = (SessionRow.user_id == user_id) & (SessionRow.expires_at < now - KNOWN_FOR)
    session.execute(delete(SessionRow).where(old))


def _use(session: Session, token_id: str) -> bool:
    """Mark the token as used; of any number of callers at once exactly one is told True."""
    unused = (RefreshToken.id == token_id) & RefreshToken.used_at.is_(None)
    marked = update(RefreshToken).where(unused).values(used_at=clock.now()).returning(RefreshToken.id)
    return session.execute(marked).first() is not None


def _revoke(session: Session, session_id: str, reason: str) -> None:
    live = (SessionRow.id == session_id) & SessionRow.revoked_at.is_(None)
    session.execute(update(SessionRow).where(live).values(revoked_at=clock.now(), revoked_reason=reason))
