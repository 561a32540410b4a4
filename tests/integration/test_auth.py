from __future__ import annotations

import dataclasses
import logging
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

import models
from app import create_app
from config import Settings
from models import Database
from services.audit import SYSTEM
from services.sessions import LogIn
from services.tokens import SESSION_LIFETIME
from services.users import SignUp
from tests.factories import PASSWORD, SignedIn, services_of
from tests.problems import assert_problem, fields
from utils import clock
from utils.errors import Conflict, Refused, StorageUnavailable
from utils.octobot_bridge import OctoBotBridge


def sign_up(client: FlaskClient, **changes: Any) -> Any:
    return client.post(
        "/api/auth/signup", json={"username": "ada", "email": "ada@example.com", "password": PASSWORD, **changes}
    )


def audit_rows(database: Database) -> list[tuple[str, str, str | None]]:
    row = models.AuditEntry
    with database.read() as connection:
        query = select(row.action, row.outcome, row.error_code).order_by(row.created_at, row.id)
        return [(action, outcome, code) for action, outcome, code in connection.execute(query)]


class TestSignUp:
    def test_creates_user_account_and_audit_row(self, client: FlaskClient, database: Database) -> None:
        answer = sign_up(client, username="Ada")

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
        assert sign_up(client).status_code == 201

        assert_problem(sign_up(client, **changes), 409, code)
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(models.User)).scalar() == 1

    def test_of_many_at_once_one_gets_the_name(self, app: Flask, database: Database) -> None:
        barrier = threading.Barrier(8)

        def attempt(number: int) -> int:
            barrier.wait()
            return int(sign_up(app.test_client(), email=f"ada{number}@example.com").status_code)

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
        answer = sign_up(client, email="ada.lovelace@example.com", password=password)

        assert fields(assert_problem(answer, 422, "validation_failed")) == {("password", code)}

    def test_a_password_of_1024_characters_counts_to_the_last(self, client: FlaskClient) -> None:
        long = "".join(chr(0x4E00 + number % 500) for number in range(1024))
        assert sign_up(client, password=long).status_code == 201

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
        assert fault in fields(assert_problem(sign_up(client, **changes), 422, "validation_failed"))

    def test_can_be_turned_off(self, settings: Settings, bridge: OctoBotBridge, database: Database) -> None:
        closed = create_app(dataclasses.replace(settings, signup_enabled=False), bridge=bridge, database=database)

        assert_problem(sign_up(closed.test_client()), 403, "signup_disabled")


class TestLogIn:
    @pytest.mark.parametrize("name", [{"username": "ADA"}, {"email": "Ada@Example.com"}])
    def test_gives_a_pair_of_tokens(self, client: FlaskClient, database: Database, name: dict[str, str]) -> None:
        sign_up(client)

        answer = client.post("/api/auth/login", json={**name, "password": PASSWORD})

        assert answer.status_code == 200
        assert set(answer.get_json()["data"]) == {"access_token", "token_type", "expires_in", "refresh_token"}
        assert answer.get_json()["data"]["token_type"] == "Bearer"
        assert answer.get_json()["data"]["expires_in"] == 900
        assert answer.headers["Cache-Control"] == "no-store"
        assert audit_rows(database)[-1] == ("session.started", "done", None)
        headers = {"Authorization": f"Bearer {answer.get_json()['data']['access_token']}"}
        assert client.get("/api/auth/me", headers=headers).get_json()["data"]["username"] == "ada"

    @pytest.mark.parametrize("name", ["ada", "nobody", "' OR 1=1 --"])
    def test_tells_nobody_what_was_wrong_but_the_log(self, client: FlaskClient, database: Database, name: str) -> None:
        sign_up(client)

        answer = client.post("/api/auth/login", json={"username": name, "password": "wrong-wrong-wrong"})

        body = assert_problem(answer, 401, "invalid_credentials")
        assert body["detail"] == "The name or the password is wrong."
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="trading"'
        assert audit_rows(database)[-1] == ("session.started", "denied", "invalid_credentials")

    @pytest.mark.parametrize("body", [{"password": PASSWORD}, {"username": "a", "email": "b", "password": PASSWORD}])
    def test_wants_one_name(self, client: FlaskClient, body: dict[str, str]) -> None:
        assert_problem(client.post("/api/auth/login", json=body), 422, "validation_failed")

    def test_an_inactive_user_is_told_only_with_the_password(
        self, client: FlaskClient, database: Database, user: SignedIn
    ) -> None:
        with database.write() as session:
            session.execute(update(models.User).values(is_active=False))

        wrong = client.post("/api/auth/login", json={"username": user.username, "password": "wrong-wrong-wrong"})
        right = client.post("/api/auth/login", json={"username": user.username, "password": PASSWORD})

        assert_problem(wrong, 401, "invalid_credentials")
        assert_problem(right, 403, "user_inactive")

    def test_takes_the_same_time_for_unknown_users(self, app: Flask, user: SignedIn) -> None:
        sessions = services_of(app).sessions

        def seconds(name: str) -> float:
            started = time.perf_counter()
            with pytest.raises(Exception, match="wrong"):
                sessions.log_in(LogIn(name=name, password="wrong-wrong-wrong"), SYSTEM)
            return time.perf_counter() - started

        pairs = [(seconds(user.username), seconds("nobody")) for _ in range(9)]
        known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
        assert 0.5 < unknown / known < 2.0

    def test_an_outdated_hash_is_replaced(self, app: Flask, database: Database, user: SignedIn) -> None:
        from argon2 import PasswordHasher

        old = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        with database.write() as session:
            session.execute(update(models.User).values(password_hash=old))

        services_of(app).sessions.log_in(LogIn(name=user.username, password=PASSWORD), SYSTEM)

        with database.read() as connection:
            stored = connection.execute(select(models.User.password_hash)).scalar_one()
        assert "m=19456,t=2,p=1" in stored
        services_of(app).sessions.log_in(LogIn(name=user.username, password=PASSWORD), SYSTEM)


class TestRefresh:
    def refresh(self, client: FlaskClient, token: str) -> Any:
        return client.post("/api/auth/refresh", json={"refresh_token": token})

    def test_rotates(self, client: FlaskClient, user: SignedIn) -> None:
        token = user.tokens.refresh_token
        for _ in range(3):
            answer = self.refresh(client, token)
            assert answer.status_code == 200
            assert answer.get_json()["data"]["refresh_token"] != token
            token = answer.get_json()["data"]["refresh_token"]
            headers = {"Authorization": f"Bearer {answer.get_json()['data']['access_token']}"}
            assert client.get("/api/auth/me", headers=headers).get_json()["data"]["id"] == user.id

    def test_using_one_twice_ends_the_session(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        second = self.refresh(client, user.tokens.refresh_token).get_json()["data"]

        assert_problem(self.refresh(client, user.tokens.refresh_token), 401, "token_reused")

        assert_problem(self.refresh(client, second["refresh_token"]), 401, "session_ended")
        headers = {"Authorization": f"Bearer {second['access_token']}"}
        assert_problem(client.get("/api/auth/me", headers=headers), 401, "session_ended")
        assert ("session.refreshed", "denied", "token_reused") in audit_rows(database)

    def test_a_hundred_at_once_leave_at_most_one_successor(
        self, app: Flask, database: Database, user: SignedIn
    ) -> None:
        barrier = threading.Barrier(25)

        def attempt(_: int) -> Any:
            barrier.wait(timeout=30)
            return self.refresh(app.test_client(), user.tokens.refresh_token)

        with ThreadPoolExecutor(25) as pool:
            answers = list(pool.map(attempt, range(100)))

        won = [answer for answer in answers if answer.status_code == 200]
        assert len(won) == 1
        assert {answer.status_code for answer in answers} == {200, 401}
        with database.read() as connection:
            assert connection.execute(select(func.count()).select_from(models.RefreshToken)).scalar() == 2
        live = [self.refresh(app.test_client(), answer.get_json()["data"]["refresh_token"]) for answer in won]
        assert [answer.status_code for answer in live] == [401]

    def test_an_access_token_does_not_refresh(self, client: FlaskClient, user: SignedIn) -> None:
        assert_problem(self.refresh(client, user.tokens.access_token), 401, "token_invalid")

    def test_ends_thirty_days_after_the_sign_in(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        with database.read() as connection:
            row = connection.execute(select(models.Session.__table__)).one()
        assert row.expires_at - row.created_at == SESSION_LIFETIME == timedelta(days=30)
        with database.write() as session:
            session.execute(update(models.Session).values(expires_at=clock.now()))

        assert_problem(self.refresh(client, user.tokens.refresh_token), 401, "session_ended")
        assert_problem(client.get("/api/auth/me", headers=user.headers), 401, "session_ended")


class TestLogOut:
    def test_ends_this_session_alone(self, client: FlaskClient, app: Flask, database: Database, user: SignedIn) -> None:
        elsewhere = services_of(app).sessions.log_in(LogIn(name=user.username, password=PASSWORD), SYSTEM)

        answer = client.post("/api/auth/logout", headers=user.headers)

        assert (answer.status_code, answer.get_json()) == (200, {"success": True, "data": {"signed_out": True}})
        assert_problem(client.get("/api/auth/me", headers=user.headers), 401, "session_ended")
        assert_problem(client.post("/api/auth/logout", headers=user.headers), 401, "session_ended")
        dead = client.post("/api/auth/refresh", json={"refresh_token": user.tokens.refresh_token})
        assert_problem(dead, 401, "session_ended")
        headers = {"Authorization": f"Bearer {elsewhere.access_token}"}
        assert client.get("/api/auth/me", headers=headers).status_code == 200
        assert audit_rows(database)[-1] == ("session.ended", "done", None)

    def test_rights_are_looked_up(self, client: FlaskClient, database: Database, admin: SignedIn) -> None:
        assert client.get("/api/auth/me", headers=admin.headers).get_json()["data"]["is_admin"] is True
        with database.write() as session:
            session.execute(update(models.User).values(role="user"))
        assert client.get("/api/auth/me", headers=admin.headers).get_json()["data"]["is_admin"] is False
        with database.write() as session:
            session.execute(update(models.User).values(is_active=False))
        assert_problem(client.get("/api/auth/me", headers=admin.headers), 401, "session_ended")


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


def test_no_secret_reaches_log_or_database(
    app: Flask, database: Database, caplog: pytest.LogCaptureFixture, user: SignedIn
) -> None:
    caplog.set_level(logging.DEBUG)
    client = app.test_client()
    client.post(
        "/api/auth/login?password=canary-query", json={"username": "canary-name", "password": "canary-password"}
    )
    tokens = client.post("/api/auth/refresh", json={"refresh_token": user.tokens.refresh_token}).get_json()["data"]
    client.get("/api/auth/me", headers={"Authorization": f"Bearer {tokens['access_token']}"})

    kept = caplog.text
    with database.read() as connection:
        for table in models.Base.metadata.sorted_tables:
            kept += str(connection.execute(select(table)).all())

    assert "canary" not in kept
    assert PASSWORD not in kept
    assert not any(token in kept for token in (tokens["access_token"], tokens["refresh_token"]))
    assert "POST /api/auth/login" in caplog.text


def test_audit_rows_say_who_and_from_where(client: FlaskClient, database: Database, user: SignedIn) -> None:
    client.post(
        "/api/auth/logout",
        headers={**user.headers, "X-Request-ID": "the-request"},
        environ_base={"REMOTE_ADDR": "192.0.2.1"},
    )
    with database.read() as connection:
        row = connection.execute(select(models.AuditEntry.__table__).order_by(models.AuditEntry.id.desc())).first()
    assert row is not None
    assert (row.user_id, row.target, row.ip, row.request_id) == (
        user.id,
        user.principal.session_id,
        "192.0.2.1",
        "the-request",
    )


def test_a_change_that_fails_leaves_no_trace(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any, **__: Any) -> None:
        raise StorageUnavailable("The database did not answer.")

    monkeypatch.setattr("services.audit._add", failing)
    assert_problem(sign_up(client), 503, "storage_unavailable")
    with database.read() as connection:
        for table in (models.User, models.Account, models.AuditEntry):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
