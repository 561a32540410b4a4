from __future__ import annotations

import logging
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, insert, select, update

import models
from app import create_app
from config import Settings
from models import Database
from services.audit import SYSTEM
from services.principals import CALLER_SECONDS
from services.users import sessions
from services.users.sessions import LogIn
from services.users.tokens import SESSION_LIFETIME
from tests.books import rows
from tests.factories import PASSWORD, SignedIn, audit_rows, post_sign_up, services_of, sign_in
from tests.problems import assert_problem
from utils import clock
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture
def looked_up_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look callers up for every request, as if a second went by between two."""
    monkeypatch.setattr(sessions, "CALLER_SECONDS", 0)


class TestLogIn:
    @pytest.mark.parametrize("name", [{"username": "ADA"}, {"email": "Ada@Example.com"}])
    def test_gives_a_pair_of_tokens(self, client: FlaskClient, database: Database, name: dict[str, str]) -> None:
        post_sign_up(client)

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
        post_sign_up(client)

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

    @pytest.mark.usefixtures("real_hashes")
    def test_takes_the_same_time_for_unknown_users(self, app: Flask, user: SignedIn) -> None:
        sessions = services_of(app).sessions

        def seconds(name: str) -> float:
            started = time.process_time()
            with pytest.raises(Exception, match="wrong"):
                sessions.log_in(LogIn(name=name, password="wrong-wrong-wrong"), SYSTEM)
            return time.process_time() - started

        pairs = [(seconds(user.username), seconds("nobody")) for _ in range(9)]
        known, unknown = (statistics.median(times) for times in zip(*pairs, strict=True))
        assert 0.5 < unknown / known < 2.0

    @pytest.mark.usefixtures("real_hashes")
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

    @pytest.mark.usefixtures("looked_up_anew")
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

    def test_ends_it_within_a_second_in_other_processes(
        self, client: FlaskClient, settings: Settings, bridge: OctoBotBridge, database: Database, user: SignedIn
    ) -> None:
        elsewhere = create_app(settings, bridge=bridge, database=database).test_client()
        assert elsewhere.get("/api/auth/me", headers=user.headers).status_code == 200
        client.post("/api/auth/logout", headers=user.headers)
        time.sleep(CALLER_SECONDS)
        assert CALLER_SECONDS <= 1
        assert_problem(elsewhere.get("/api/auth/me", headers=user.headers), 401, "session_ended")

    @pytest.mark.usefixtures("looked_up_anew")
    def test_rights_are_looked_up(self, client: FlaskClient, database: Database, admin: SignedIn) -> None:
        assert client.get("/api/auth/me", headers=admin.headers).get_json()["data"]["is_admin"] is True
        with database.write() as session:
            session.execute(update(models.User).values(role="user"))
        assert client.get("/api/auth/me", headers=admin.headers).get_json()["data"]["is_admin"] is False
        with database.write() as session:
            session.execute(update(models.User).values(is_active=False))
        assert_problem(client.get("/api/auth/me", headers=admin.headers), 401, "session_ended")


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


def test_signing_in_forgets_what_has_expired(app: Flask, database: Database, user: SignedIn, other: SignedIn) -> None:
    sessions = services_of(app).sessions

    def age(days: int) -> None:
        moment = clock.now() - timedelta(days=days)
        with database.write() as session:
            session.execute(update(models.Session).values(expires_at=moment))

    def rows(table: type[models.Session | models.RefreshToken]) -> int:
        with database.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    age(59)
    sessions.log_in(LogIn(name=user.username, password=PASSWORD), SYSTEM)
    assert (rows(models.Session), rows(models.RefreshToken)) == (3, 2)  # the other user's token stays
    age(61)
    sessions.log_in(LogIn(name=user.username, password=PASSWORD), SYSTEM)
    assert (rows(models.Session), rows(models.RefreshToken)) == (2, 2)


class TestEnded:
    def test_tells_which_of_many_sessions_are_over(
        self, app: Flask, client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, admin: SignedIn
    ) -> None:
        sessions = services_of(app).sessions
        inactive, expired = sign_in(app, database), sign_in(app, database)
        everybody = [each.principal.session_id for each in (user, other, admin, inactive, expired)]
        assert sessions.ended(everybody) == set()
        assert sessions.ended([]) == set()

        client.post("/api/auth/logout", headers=user.headers)
        past = clock.now() - timedelta(seconds=1)
        with database.write() as session:
            session.execute(update(models.User).where(models.User.id == inactive.id).values(is_active=False))
            theirs = models.Session.id == expired.principal.session_id
            session.execute(update(models.Session).where(theirs).values(expires_at=past))

        over = {each.principal.session_id for each in (user, inactive, expired)}
        assert sessions.ended([*everybody, "unknown", "' OR 1=1 --"]) == over | {"unknown", "' OR 1=1 --"}

    def test_ten_thousand_cost_milliseconds(self, app: Flask, database: Database, user: SignedIn) -> None:
        sessions = services_of(app).sessions
        [row] = rows(database, models.Session)
        ids = [f"session-{number}" for number in range(10_000)]
        with database.writing() as connection:
            connection.execute(insert(models.Session), [{**row._mapping, "id": each} for each in ids])

        def seconds(asked: list[str]) -> float:
            started = time.perf_counter()
            assert sessions.ended(asked) == set()
            return time.perf_counter() - started

        one = min(seconds(ids[:1]) for _ in range(20))
        all_of_them = min(seconds(ids) for _ in range(5))
        # one by one they would take ten thousand times as long
        assert all_of_them / one < 500
        assert all_of_them < 0.5
