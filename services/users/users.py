"""Users: signing up, and the first admin."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.accounts import accounts
from services.audit import Origin
from services.principals import Principal
from services.users import api_keys, passwords, second_factors, session_rows
from services.users.passwords import Passwords
from utils import clock, ids
from utils.errors import Conflict, Forbidden, NotFound, Refused
from utils.wire import Message

ADMIN_USERNAME = "admin"
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{2,63}")
MAX_EMAIL = 254
PROFILE = ("display_name", "avatar_url", "locale", "time_zone", "leaderboard_opt_in")
"""What users say of themselves."""


class SignUp(Message, frozen=True, kw_only=True):
    """Ask for a user of one's own."""

    username: str
    email: str
    password: str


class User(Message, frozen=True, kw_only=True):
    """A user as they see themselves."""

    id: str
    username: str
    email: str
    is_admin: bool
    created_at: datetime


class Profile(User, frozen=True, kw_only=True):
    """A user with what they say of themselves, and whether their login needs a second factor."""

    display_name: str | None
    avatar_url: str | None
    locale: str | None
    time_zone: str | None
    leaderboard_opt_in: bool
    totp_enabled: bool


class Users:
    """Create and read users."""

    def __init__(self, database: Database, hasher: Passwords, *, signup_enabled: bool = True) -> None:
        self._database = database
        self._hasher = hasher
        self._signup_enabled = signup_enabled

    def sign_up(self, command: SignUp, origin: Origin) -> User:
        """Create a user with a paper account.

        :raises Forbidden: `signup_disabled` when the operator does not want sign-ups.
        :raises Refused: when the password is too weak.
        :raises Conflict: `username_taken` or `email_taken`.
        """
        if not self._signup_enabled:
            raise Forbidden("Signing up is turned off on this installation.", code="signup_disabled")
        return self._create(command, "user", origin)

    def get(self, principal: Principal) -> Profile:
        """Return the caller."""
        with self._database.read() as connection:
            query = select(models.User.__table__).where(models.User.id == principal.user_id)
            row = connection.execute(query).first()
            totp_enabled = second_factors.is_on(connection, principal.user_id)
        if row is None:
            raise NotFound("You do not exist any more.", code="user_not_found")
        return Profile(
            id=row.id,
            username=row.username,
            email=row.email,
            is_admin=row.role == "admin",
            **{name: getattr(row, name) for name in PROFILE},
            totp_enabled=totp_enabled,
            created_at=row.created_at,
        )

    def change_profile(self, principal: Principal, origin: Origin, changes: dict[str, Any]) -> Profile:
        """Change fields of the caller's profile, those that `PROFILE` names, and return the caller."""
        mine = models.User.id == principal.user_id
        with self._database.write() as session:
            session.execute(update(models.User).where(mine).values(**changes, updated_at=clock.now()))
            fields = {"fields": sorted(changes)}
            who = principal.user_id
            audit.record(session, origin, "profile.changed", user_id=who, target=who, detail=fields)
        return self.get(principal)

    def ensure_admin(self, username: str = "", password: str = "") -> str | None:
        """Create the first admin when there is none; return the random password when `password` is empty.

        The caller prints what is returned, once: it is stored nowhere.

        :raises Refused: `invalid_username`, or when `password` is too weak.
        :raises Conflict: when `username` belongs to a user who is no admin.
        """
        with self._database.read() as connection:
            if connection.execute(select(exists().where(models.User.role == "admin"))).scalar():
                return None
        name = username or ADMIN_USERNAME
        chosen = password or secrets.token_urlsafe(18)
        self.create_admin(SignUp(username=name, email=f"{name}@localhost", password=chosen))
        return None if password else chosen

    def create_admin(self, command: SignUp) -> User:
        """Create an administrator, for the operator.

        :raises Refused: `invalid_username`, `invalid_email`, or when the password is too weak.
        :raises Conflict: `username_taken` or `email_taken`.
        """
        if not USERNAME.fullmatch(command.username):
            raise Refused("Use 3 to 64 letters, digits, dots, dashes and underscores.", code="invalid_username")
        if "@" not in command.email or len(command.email.casefold()) > MAX_EMAIL:
            raise Refused("This is no address.", code="invalid_email")
        return self._create(command, "admin", audit.SYSTEM)

    def reset_password(self, name: str, password: str, *, reset_totp: bool = False) -> str:
        """Give the user whose username or address is `name` another password, for the operator; return the username.

        Their sessions and API keys end. With `reset_totp` the password alone gets in.

        :raises NotFound: `user_not_found`. :raises Refused: when the password is too weak.
        """
        query = select(models.User.__table__).where(session_rows.named(name.casefold()))
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"There is no user {name}.", code="user_not_found")
        passwords.check(password, username=row.username, email=row.email)
        hashed = self._hasher.hash(password)
        with self._database.write() as session:
            mine = models.User.id == row.id
            session.execute(update(models.User).where(mine).values(password_hash=hashed, updated_at=clock.now()))
            session_rows.revoke(session, models.Session.user_id == row.id, "password_reset")
            api_keys.end_all(session, audit.SYSTEM, row.id, by=None)
            audit.record(session, audit.SYSTEM, "password.reset", user_id=None, target=row.id)
            if reset_totp and second_factors.forget(session, row.id):
                audit.record(session, audit.SYSTEM, "totp.reset", user_id=None, target=row.id)
        return str(row.username)

    def _create(self, command: SignUp, role: str, origin: Origin) -> User:
        passwords.check(command.password, username=command.username, email=command.email)
        # asked before hashing too: a name that is taken shall not cost a hash
        with self._database.read() as connection:
            _refuse_taken(connection, command)
        hashed = self._hasher.hash(command.password)
        created = User(
            id=ids.new_id(),
            username=command.username,
            email=command.email,
            is_admin=role == "admin",
            created_at=clock.now(),
        )
        try:
            with self._database.write() as session:
                _insert(session, created, hashed, role)
                accounts.open_main(session, created.id)
                audit.record(session, origin, "user.signed_up", user_id=created.id, target=created.id)
        except IntegrityError:
            with self._database.read() as connection:
                _refuse_taken(connection, command)
            raise
        return created


def _insert(session: Session, user: User, hashed: str, role: str) -> None:
    session.execute(
        insert(models.User).values(
            id=user.id,
            username=user.username,
            username_key=user.username.casefold(),
            email=user.email,
            email_key=user.email.casefold(),
            password_hash=hashed,
            role=role,
            is_active=True,
            created_at=user.created_at,
            updated_at=user.created_at,
        )
    )


def _refuse_taken(connection: Connection, command: SignUp) -> None:
    username, email = command.username.casefold(), command.email.casefold()
    query = select(models.User.username_key).where(
        (models.User.username_key == username) | (models.User.email_key == email)
    )
    names = connection.execute(query).scalars().all()
    if username in names:
        raise Conflict("This username is taken.", code="username_taken")
    if names:
        raise Conflict("There is a user with this address.", code="email_taken")
