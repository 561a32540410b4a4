from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

import models
from app import create_app
from config import Settings, SettingsError
from models import Database
from services.audit import SYSTEM
from services.users.sessions import LogIn
from services.users.users import SignUp
from supervisor.prepare import prepare
from tests.factories import PASSWORD, audit_rows, post_sign_up, services_of
from tests.problems import assert_problem, fields
from utils.errors import Conflict, Refused, StorageUnavailable
from utils.octobot_bridge import OctoBotBridge


class TestSignUp:
    @pytest.mark.usefixtures("real_hashes")
    def test_creates_user_account_and_audit_row(self, client: FlaskClient, database: Database) -> None:
        answer = post_sign_up(client, username="Ada")

        assert answer.status_code == 201
        assert answer.get_json()["success"] is True
        body = answer.get_json()["data"]
        assert set(body) == {"id", "username", "email", "is_admin", "created_at"}
        assert (body["username"], body["email"], body["is_admin"]) == ("Ada", "ada@example.com", False)
        assert body["created_at"].endswith("Z")
        with database.read() as connection:
            account = connection.execute(select(models.Account.__table__)).one()
            stored = connection.execute(select(models.User.password_hash)).scalar_one()
        assert (account.user_id, account.name, account.kind, account.mode) == (body["id"], "Paper", "main", "paper")
        assert (account.exchange, account.reference_currency, account.status) == ("demo", "USDT", "active")
        assert account.starting_balance == Decimal(10_000)
        assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert audit_rows(database) == [("user.signed_up", "done", None)]

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"username": "ADA", "email": "new@example.com"}, "username_taken"),
            ({"username": "new", "email": "ADA@EXAMPLE.COM"}, "email_taken"),
            ({}, "username_taken"),
        ],
    )
    def test_names_are_unique_without_regard_to_case(
        self, client: FlaskClient, database: Database, changes: dict[str, str], code: str
    ) -> None:
        assert post_sign_up(client).status_code == 201

        assert_problem(post_sign_up(client, **changes), 409, code)
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(models.User)).scalar() == 1

    def test_of_many_at_once_one_gets_the_name(self, app: Flask, database: Database) -> None:
        barrier = threading.Barrier(8)

        def attempt(number: int) -> int:
            barrier.wait()
            return int(post_sign_up(app.test_client(), email=f"ada{number}@example.com").status_code)

        with ThreadPoolExecutor(8) as pool:
            statuses = sorted(pool.map(attempt, range(8)))

        assert statuses == [201] + [409] * 7
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(models.Account)).scalar() == 1

    @pytest.mark.parametrize(
        ("password", "code"),
        [
            ("elevenchars", "password_too_short"),
            ("PasswordPassword", "password_too_common"),
            ("qwertyuiop123", "password_too_common"),
            ("abababababababab", "password_too_common"),
            ("x7" * 512 + "!", "password_too_long"),
            ("ada.lovelace@example.com", "password_is_name"),
            ("ada.lovelace", "password_is_name"),
            ("", "password_too_short"),
        ],
    )
    def test_weak_passwords_are_refused(self, client: FlaskClient, password: str, code: str) -> None:
        answer = post_sign_up(client, email="ada.lovelace@example.com", password=password)

        assert fields(assert_problem(answer, 422, "validation_failed")) == {("password", code)}

    def test_a_password_of_1024_characters_counts_to_the_last(self, client: FlaskClient) -> None:
        long = "".join(chr(0x4E00 + number % 500) for number in range(1024))
        assert post_sign_up(client, password=long).status_code == 201

        wrong = client.post("/api/auth/login", json={"username": "ada", "password": long[:-1] + "x"})
        assert_problem(wrong, 401, "invalid_credentials")
        assert client.post("/api/auth/login", json={"username": "ada", "password": long}).status_code == 200

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"username": "a"}, ("username", "invalid")),
            ({"username": "a b c"}, ("username", "invalid")),
            ({"username": "ada\n"}, ("username", "invalid")),
            ({"username": "ada@example"}, ("username", "invalid")),
            ({"username": "x" * 65}, ("username", "invalid")),
            ({"username": None}, ("username", "required")),
            ({"username": 5}, ("username", "invalid")),
            ({"email": "ada"}, ("email", "invalid")),
            ({"email": "ß" * 250 + "@example.com"}, ("email", "invalid")),
            ({"email": "ß" * 200 + "@example.com"}, ("email", "invalid")),
            ({"is_admin": True}, ("is_admin", "unknown_field")),
            ({"role": "admin"}, ("role", "unknown_field")),
        ],
    )
    def test_bad_fields_are_named(self, client: FlaskClient, changes: dict[str, Any], fault: tuple[str, str]) -> None:
        assert fault in fields(assert_problem(post_sign_up(client, **changes), 422, "validation_failed"))

    def test_can_be_turned_off(self, settings: Settings, bridge: OctoBotBridge, database: Database) -> None:
        closed = create_app(dataclasses.replace(settings, signup_enabled=False), bridge=bridge, database=database)

        assert_problem(post_sign_up(closed.test_client()), 403, "signup_disabled")


class TestFirstAdmin:
    def test_is_created_once_with_a_random_password(self, app: Flask, database: Database) -> None:
        users = services_of(app).users

        password = users.ensure_admin()

        assert password is not None
        assert len(password) >= 20
        assert users.ensure_admin() is None
        tokens = services_of(app).sessions.log_in(LogIn(name="admin", password=password), SYSTEM)
        principal = services_of(app).sessions.principal(tokens.access_token)
        assert principal.role == "admin"
        assert "config:read" in principal.permissions
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(models.Account)).scalar() == 1

    def test_takes_the_operators_name_and_password(self, app: Flask) -> None:
        assert services_of(app).users.ensure_admin("root", "a-long-root-password") is None
        assert services_of(app).sessions.log_in(LogIn(name="root", password="a-long-root-password"), SYSTEM)

    def test_a_weak_password_or_a_taken_name_is_refused(self, app: Flask) -> None:
        users = services_of(app).users
        with pytest.raises(Refused):
            users.ensure_admin("root", "password1234")
        users.sign_up(SignUp(username="root", email="x@example.com", password=PASSWORD), SYSTEM)
        with pytest.raises(Conflict):
            users.ensure_admin("root", "a-long-root-password")

    @pytest.mark.parametrize(
        ("username", "password", "words"),
        [("root", "short", "Use at least 12 characters"), ("no name", PASSWORD, "Use 3 to 64 letters")],
    )
    def test_a_start_says_which_settings_are_wrong(
        self, settings: Settings, database: Database, username: str, password: str, words: str
    ) -> None:
        wrong = dataclasses.replace(settings, admin_username=username, admin_password=password)
        with pytest.raises(SettingsError, match=f"ADMIN_USERNAME, ADMIN_PASSWORD: {words}"):
            prepare(wrong)
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(models.User)).scalar() == 0


def test_a_change_that_fails_leaves_no_trace(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("The database did not answer.")

    monkeypatch.setattr("services.audit._add", failing)
    assert_problem(post_sign_up(client), 503, "storage_unavailable")
    with database.read() as connection:
        for table in (models.User, models.Account, models.AuditEntry):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
