"""Sessions: signing in, refreshing, signing out, and who a token stands for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NoReturn

from sqlalchemy import and_, exists, insert, select, update
from sqlalchemy.orm import Session

from models import Database, RefreshToken, User
from models import Session as SessionRow
from services import audit
from services.audit import Origin
from services.paging import oldest_first
from services.principals import CALLER_SECONDS, CALLERS, Principal
from services.users import api_keys, passwords, second_factors, session_rows
from services.users.api_keys import ApiKeys
from services.users.passwords import Passwords
from services.users.second_factors import SecondFactors
from services.users.session_rows import OpenSession
from services.users.tokens import ACCESS_LIFETIME, SESSION_LIFETIME, Claims, Tokens
from utils import clock, ids, json
from utils.errors import FieldError, Forbidden, NotFound, Refused, TradingError, Unauthenticated
from utils.pages import Cursor, Page
from utils.wire import Message


class LogIn(Message, frozen=True, kw_only=True):
    """Sign in as the user whose username or address is `name`; `totp` is a code of their second factor."""

    name: str
    password: str
    totp: str | None = None


class ChangePassword(Message, frozen=True, kw_only=True):
    """Put another password in the place of the caller's."""

    current_password: str
    new_password: str


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

    def __init__(
        self, database: Database, hasher: Passwords, tokens: Tokens, second_factors: SecondFactors, keys: ApiKeys
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._tokens = tokens
        self._second_factors = second_factors
        self._keys = keys
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
            user = connection.execute(select(User).where(session_rows.named(command.name.casefold()))).first()
        # an unknown user costs the same hash as a known one
        right = self._hasher.verify(user.password_hash if user else None, command.password)
        if user is None or not right:
            wrong = Unauthenticated("The name or the password is wrong.", code="invalid_credentials")
            self._refuse("session.started", user.id if user else None, wrong, origin)
        if not user.is_active:
            inactive = Forbidden("This user has been deactivated.", code="user_inactive")
            self._refuse("session.started", user.id, inactive, origin)
        rehashed = self._hasher.hash(command.password) if self._hasher.is_outdated(user.password_hash) else None
        self._check_second_factor(user.id, command.totp, origin)
        with self._database.write() as session:
            if not session_rows.lock(session, user.id, user.password_hash):
                # changed, or deactivated, while it was being verified: what ended sessions then must end this one too
                raise Unauthenticated("The name or the password is wrong.", code="invalid_credentials")
            if rehashed is not None:
                session.execute(update(User).where(User.id == user.id).values(password_hash=rehashed))
            return self._open(session, user.id, is_admin=user.role == "admin", origin=origin)

    def refresh(self, refresh_token: str, origin: Origin) -> TokenPair:
        """Exchange a refresh token, which is good for one use, for a new pair.

        :raises Unauthenticated: `token_reused` when it was used before (its session ends with that), else
            `token_invalid`, `token_expired` or `session_ended`.
        """
        claims = self._tokens.read(refresh_token, "refresh")
        with self._database.write() as session:
            if session_rows.use(session, claims.token_id):
                caller = session_rows.caller(session.connection(), claims.session_id, claims.user_id)
                audit.record(session, origin, "session.refreshed", user_id=caller.user_id, target=claims.session_id)
                return self._pair(session, caller.user_id, claims.session_id, is_admin=caller.role == "admin")
            reused = session.execute(select(exists().where(RefreshToken.id == claims.token_id))).scalar_one()
            if reused:
                session_rows.revoke(session, SessionRow.id == claims.session_id, "token_reused")
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
            session_rows.revoke(session, SessionRow.id == principal.session_id, "logout")
            audit.record(session, origin, "session.ended", user_id=principal.user_id, target=principal.session_id)
        self._callers.pop((principal.session_id, principal.user_id), None)

    def log_out_all(self, principal: Principal, origin: Origin) -> None:
        """End all sessions of the caller, the present one too."""
        with self._database.write() as session:
            session_rows.revoke(session, SessionRow.user_id == principal.user_id, "logout_all")
            audit.record(session, origin, "sessions.ended", user_id=principal.user_id, target=principal.user_id)
        self.forget(principal.user_id)

    def list(self, principal: Principal, *, limit: int, cursor: Cursor | None = None) -> Page[OpenSession]:
        """Return a page of the caller's sessions that have not ended, oldest first."""
        row = SessionRow
        mine = and_(row.user_id == principal.user_id, row.revoked_at.is_(None), row.expires_at > clock.now())
        query = oldest_first(select(row.__table__).where(mine), row, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([session_rows.shown(each, principal) for each in rows], limit)

    def end(self, principal: Principal, session_id: str, origin: Origin) -> None:
        """End one of the caller's sessions. :raises NotFound: there is none with this id, or it has ended."""
        which = and_(SessionRow.id == session_id, SessionRow.user_id == principal.user_id)
        with self._database.write() as session:
            if not session_rows.revoke(session, which & (SessionRow.expires_at > clock.now()), "ended"):
                raise NotFound("There is no such session.", code="session_not_found")
            audit.record(session, origin, "session.ended", user_id=principal.user_id, target=session_id)
        self._callers.pop((session_id, principal.user_id), None)

    def change_password(self, principal: Principal, command: ChangePassword, origin: Origin) -> TokenPair:
        """Change the caller's password, end all their sessions and API keys, and open a fresh session.

        :raises Refused: `wrong_password`, or the new one is too weak.
        :raises Overloaded: when too many sign in at once.
        """
        with self._database.read() as connection:
            user = connection.execute(select(User.__table__).where(User.id == principal.user_id)).one()
        passwords.check(command.new_password, username=user.username, email=user.email, field="new_password")
        if not self._hasher.verify(user.password_hash, command.current_password):
            self._refuse("password.changed", user.id, _wrong_password(), origin)
        hashed = self._hasher.hash(command.new_password)
        with self._database.write() as session:
            if not session_rows.lock(session, user.id, user.password_hash):
                raise _wrong_password()  # another change was quicker
            session.execute(update(User).where(User.id == user.id).values(password_hash=hashed, updated_at=clock.now()))
            session_rows.revoke(session, SessionRow.user_id == user.id, "password_changed")
            audit.record(session, origin, "password.changed", user_id=user.id, target=user.id)
            api_keys.end_all(session, origin, user.id, by=user.id)
            pair = self._open(session, user.id, is_admin=user.role == "admin", origin=origin)
        self.forget(user.id)
        self._keys.forget(user.id)
        return pair

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
            caller = session_rows.caller(connection, claims.session_id, claims.user_id)
        if len(self._callers) >= CALLERS:
            self._callers.clear()
        self._callers[key] = (began, caller)
        return caller

    def expires_at(self, access_token: str) -> float:
        """Return until when `access_token` is taken (Unix seconds). :raises Unauthenticated: `token_invalid`."""
        return self._tokens.expires_at(access_token)

    def ended(self, session_ids: Iterable[str]) -> set[str]:
        """Return which of many sessions and API keys are over: revoked, expired, unknown, or of an inactive user."""
        query = session_rows.ended(self._database.texts("sessions"), clock.now())
        asked = json.dumps(list(session_ids)).decode()
        with self._database.read() as connection:
            return set(connection.execute(query, {"sessions": asked}).scalars())

    def source(self, name: str, ip: str | None) -> Source:
        """Return whom a login as `name` from `ip` is aimed at."""
        key = name.casefold()
        before = exists().where(SessionRow.user_id == User.id, SessionRow.ip == ip)
        query = select(User.id, before).where(session_rows.named(key))
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
            missing = Unauthenticated("Send the code of your app as totp.", code="totp_required")
            self._refuse("session.started", user_id, missing, origin)
        with self._database.write() as session:
            right = self._second_factors.spend(session, user_id, code)
        if not right:
            wrong = Unauthenticated("The code is wrong, or was used before.", code="totp_invalid")
            self._refuse("session.started", user_id, wrong, origin)

    def _refuse(self, action: str, user_id: str | None, error: TradingError, origin: Origin) -> NoReturn:
        with self._database.write() as session:
            audit.denied(session, origin, action, error.code, user_id=user_id, target=user_id)
        raise error

    def forget(self, user_id: str) -> None:
        """Look the user's sessions up anew; other processes do within `CALLER_SECONDS`."""
        for key in [key for key in list(self._callers) if key[1] == user_id]:
            self._callers.pop(key, None)

    def _open(self, session: Session, user_id: str, *, is_admin: bool, origin: Origin) -> TokenPair:
        opened = clock.now()
        session_rows.forget_expired(session, user_id, opened)
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


def _wrong_password() -> Refused:
    error = FieldError(field="current_password", code="wrong_password", message="This is not your password.")
    return Refused("The current password is wrong.", code="wrong_password", errors=(error,))
