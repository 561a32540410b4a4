"""What tests are made of: users who are signed in."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

import models
from middleware.context import SERVICES
from models import Database
from services import Services
from services.audit import SYSTEM
from services.principals import Principal
from services.users.api_keys import NewApiKey
from services.users.sessions import LogIn, TokenPair
from services.users.users import SignUp

PASSWORD = "correct-horse-7-staple"
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A user with a session and a main account."""

    id: str
    username: str
    email: str
    account_id: str
    tokens: TokenPair
    principal: Principal

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that make a request this user's."""
        return {"Authorization": f"Bearer {self.tokens.access_token}"}


def services_of(app: Flask) -> Services:
    """Return the services of `app`."""
    built: Any = app.extensions[SERVICES]
    assert isinstance(built, Services)
    return built


def sign_in(app: Flask, database: Database, *, role: str = "user", username: str = "") -> SignedIn:
    """Create a user of `role` through the services and sign them in."""
    services = services_of(app)
    name = username or f"{role}{next(_numbers)}"
    made = services.users.sign_up(SignUp(username=name, email=f"{name}@example.com", password=PASSWORD), SYSTEM)
    with database.write() as session:
        session.execute(update(models.User).where(models.User.id == made.id).values(role=role))
    tokens = services.sessions.log_in(LogIn(name=name, password=PASSWORD), SYSTEM)
    with database.read() as connection:
        account_id = connection.execute(select(models.Account.id).where(models.Account.user_id == made.id)).scalar_one()
    return SignedIn(
        id=made.id,
        username=name,
        email=made.email,
        account_id=account_id,
        tokens=tokens,
        principal=services.sessions.principal(tokens.access_token),
    )


def with_key(app: Flask, owner: SignedIn, *scopes: str) -> dict[str, str]:
    """Return the headers of a new API key of `owner`."""
    new = NewApiKey(name="key", scopes=list(scopes), password=PASSWORD)
    return {"X-API-Key": services_of(app).api_keys.create(owner.principal, SYSTEM, new).key}


def post_sign_up(client: FlaskClient, **changes: Any) -> Any:
    """Sign up over HTTP."""
    return client.post(
        "/api/auth/signup", json={"username": "ada", "email": "ada@example.com", "password": PASSWORD, **changes}
    )


def audit_rows(database: Database) -> list[tuple[str, str, str | None]]:
    """Return action, outcome and error code of every row, oldest first."""
    row = models.AuditEntry
    with database.read() as connection:
        query = select(row.action, row.outcome, row.error_code).order_by(row.created_at, row.id)
        return [(action, outcome, code) for action, outcome, code in connection.execute(query)]
