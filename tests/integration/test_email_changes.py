"""Another address for a user: with the password, for nobody else, and only where it is free."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models import Database
from tests import authenticator
from tests.factories import PASSWORD, SignedIn, audit_rows
from tests.problems import assert_problem, fields


def change(client: FlaskClient, who: SignedIn, **body: Any) -> TestResponse:
    wanted = {"email": "Lovelace@example.com", "password": PASSWORD, **body}
    return client.post("/api/auth/email", json=wanted, headers=who.headers)


def email(client: FlaskClient, who: SignedIn) -> Any:
    return client.get("/api/auth/me", headers=who.headers).get_json()["data"]["email"]


def log_in(client: FlaskClient, name: str) -> int:
    return client.post("/api/auth/login", json={"email": name, "password": PASSWORD}).status_code


def test_the_new_address_signs_in_and_the_former_does_not(
    client: FlaskClient, user: SignedIn, database: Database
) -> None:
    answer = change(client, user)
    assert answer.status_code == 200
    told = {"email": "Lovelace@example.com", "is_confirmed": False, "is_available": False}
    assert answer.get_json()["data"] == told
    assert email(client, user) == "Lovelace@example.com"  # the session goes on
    assert log_in(client, "lovelace@EXAMPLE.com") == 200
    assert log_in(client, user.email) == 401
    assert ("email.changed", "done", None) in audit_rows(database)
    before = len(audit_rows(database))
    assert change(client, user).get_json()["data"] == told
    assert len(audit_rows(database)) == before  # it is theirs already
    assert change(client, user, email="lovelace@example.com").status_code == 200  # another case


def test_an_address_that_is_taken_or_none_changes_nothing(client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
    taken = assert_problem(change(client, user, email=other.email.upper()), 409, "email_taken")
    assert fields(taken) == {("email", "email_taken")}
    for wrong in ("nobody", "", None, f"{'x' * 250}@example.com", 5):
        refused = assert_problem(change(client, user, email=wrong), 422, "validation_failed")
        assert {field for field, _ in fields(refused)} == {"email"}
    assert email(client, user) == user.email


def test_a_stolen_token_changes_no_address(client: FlaskClient, user: SignedIn, database: Database) -> None:
    assert_problem(change(client, user, password="not-my-password"), 422, "wrong_password")
    assert ("email.changed", "denied", "wrong_password") in audit_rows(database)
    answer = client.post("/api/auth/totp/enroll", json={"password": PASSWORD}, headers=user.headers)
    secret = answer.get_json()["data"]["secret"]
    totp = {"totp": authenticator.code(secret)}
    recovery = client.post("/api/auth/totp/confirm", json=totp, headers=user.headers).get_json()["data"]
    assert_problem(change(client, user), 422, "totp_required")
    assert_problem(change(client, user, totp="000000"), 422, "totp_invalid")
    assert email(client, user) == user.email
    assert change(client, user, totp=recovery["recovery_codes"][0]).status_code == 200
    assert email(client, user) == "Lovelace@example.com"


@pytest.mark.parametrize("name", ["user", "admin"])
def test_it_belongs_to_who_asks(
    client: FlaskClient, request: pytest.FixtureRequest, other: SignedIn, name: str
) -> None:
    who: SignedIn = request.getfixturevalue(name)
    assert change(client, who).status_code == 200
    assert email(client, other) == other.email
    assert_problem(
        client.post("/api/auth/email", json={"email": "a@example.com", "password": PASSWORD}), 401, "token_missing"
    )
