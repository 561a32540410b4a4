"""What ends sessions: signing out everywhere, another password, and their owner one by one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

import models
from app import create_app
from config import Settings
from models import Database
from services.audit import SYSTEM
from services.users import sessions
from services.users.sessions import ChangePassword, LogIn, TokenPair
from tests.books import rows
from tests.factories import PASSWORD, SignedIn, audit_rows, post_sign_up, services_of
from tests.problems import assert_problem
from utils.errors import Refused, Unauthenticated
from utils.octobot_bridge import OctoBotBridge

NEW = "a-quite-different-9-horse"
End = Callable[[FlaskClient, SignedIn], Any]


def again(app: Flask, user: SignedIn, password: str = PASSWORD) -> TokenPair:
    """Sign in on another device."""
    return services_of(app).sessions.log_in(LogIn(name=user.username, password=password), SYSTEM)


def status(client: FlaskClient, tokens: TokenPair) -> int:
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    return client.get("/api/auth/me", headers=headers).status_code


def change(client: FlaskClient, user: SignedIn, **body: str) -> Any:
    passwords = {"current_password": PASSWORD, "new_password": NEW, **body}
    return client.post("/api/auth/password", json=passwords, headers=user.headers)


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("path", ["/api/auth/logout-all", "/api/auth/password"])
def test_all_sessions_end_in_every_process(
    app: Flask,
    client: FlaskClient,
    settings: Settings,
    bridge: OctoBotBridge,
    database: Database,
    user: SignedIn,
    other: SignedIn,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    elsewhere: bool,
) -> None:
    if elsewhere:
        monkeypatch.setattr(sessions, "CALLER_SECONDS", 0)
    phone = again(app, user)
    witness = create_app(settings, bridge=bridge, database=database).test_client() if elsewhere else client
    assert [status(witness, tokens) for tokens in (user.tokens, phone, other.tokens)] == [200, 200, 200]

    body = {"current_password": PASSWORD, "new_password": NEW} if path.endswith("password") else None
    assert client.post(path, json=body, headers=user.headers).status_code == 200

    assert [status(witness, tokens) for tokens in (user.tokens, phone, other.tokens)] == [401, 401, 200]
    refreshed = client.post("/api/auth/refresh", json={"refresh_token": phone.refresh_token})
    assert_problem(refreshed, 401, "session_ended")
    ended = [row for row in rows(database, models.Session) if row.revoked_at is not None]
    assert {row.revoked_reason for row in ended} == {"logout_all" if body is None else "password_changed"}
    assert services_of(app).sessions.ended([row.id for row in ended]) == {row.id for row in ended}


class TestPassword:
    def test_the_new_one_is_asked_for_from_then_on(
        self, app: Flask, client: FlaskClient, database: Database, user: SignedIn
    ) -> None:
        answer = change(client, user)

        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
        assert status(client, TokenPair(**answer.get_json()["data"])) == 200
        with pytest.raises(Unauthenticated, match="wrong"):
            again(app, user)
        assert status(client, again(app, user, NEW)) == 200
        assert ("password.changed", "done", None) in audit_rows(database)

    def test_a_wrong_one_changes_nothing(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        before = rows(database, models.User), rows(database, models.Session)

        body = assert_problem(change(client, user, current_password="wrong-wrong-wrong"), 422, "wrong_password")

        assert body["errors"][0]["field"] == "current_password"
        assert (rows(database, models.User), rows(database, models.Session)) == before
        assert audit_rows(database)[-1] == ("password.changed", "denied", "wrong_password")

    @pytest.mark.parametrize(
        ("password", "code"),
        [
            ("short", "password_too_short"),
            ("x" * 1025, "password_too_long"),
            ("password12345", "password_too_common"),
            ("aaaaaaaaaaaaaaaa", "password_too_common"),
        ],
    )
    def test_a_weak_one_is_refused(self, client: FlaskClient, user: SignedIn, password: str, code: str) -> None:
        body = assert_problem(change(client, user, new_password=password), 422, "validation_failed")
        assert [(error["field"], error["code"]) for error in body["errors"]] == [("new_password", code)]
        assert status(client, user.tokens) == 200

    def test_of_changes_at_once_one_wins(self, app: Flask, database: Database, user: SignedIn) -> None:
        def attempt(number: int) -> bool:
            command = ChangePassword(current_password=PASSWORD, new_password=f"{NEW}-{number}")
            try:
                services_of(app).sessions.change_password(user.principal, command, SYSTEM)
            except Refused as error:
                assert error.code == "wrong_password"
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(attempt, range(8))).count(True) == 1
        alive = [row for row in rows(database, models.Session) if row.revoked_at is None]
        assert len(alive) == 1

    @pytest.mark.parametrize("change", [{"password_hash": "another"}, {"is_active": False}])
    def test_a_login_that_was_overtaken_opens_nothing(
        self, app: Flask, database: Database, user: SignedIn, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
    ) -> None:
        service = services_of(app).sessions
        verify = service._hasher.verify

        def overtaken(stored: str | None, password: str) -> bool:
            right = verify(stored, password)
            with database.write() as session:
                session.execute(update(models.User).values(**change))
            return right

        monkeypatch.setattr(service._hasher, "verify", overtaken)
        before = len(rows(database, models.Session))
        with pytest.raises(Unauthenticated):
            again(app, user)
        assert len(rows(database, models.Session)) == before

    def test_a_stolen_token_does_not_find_it_out(
        self, settings: Settings, bridge: OctoBotBridge, database: Database, user: SignedIn
    ) -> None:
        limited = create_app(
            replace(settings, rate_limit_enabled=True, trusted_proxies=1), bridge=bridge, database=database
        ).test_client()
        answers = [
            limited.post(
                "/api/auth/password",
                json={"current_password": f"guess-number-{number}", "new_password": NEW},
                headers={**user.headers, "X-Forwarded-For": f"192.0.2.{number}"},
            ).status_code
            for number in range(7)
        ]
        assert answers == [422] * 5 + [429] * 2


class TestList:
    def test_shows_those_that_are_open(self, app: Flask, client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
        again(app, user)
        gone = again(app, user)
        client.post("/api/auth/logout", headers={"Authorization": f"Bearer {gone.access_token}"})

        first = client.get("/api/auth/sessions?limit=1", headers=user.headers).get_json()
        rest = client.get(
            f"/api/auth/sessions?cursor={first['pagination']['next_cursor']}", headers=user.headers
        ).get_json()

        [mine], [second] = first["data"], rest["data"]
        assert (mine["id"], mine["is_current"], second["is_current"]) == (user.principal.session_id, True, False)
        assert (first["pagination"]["has_more"], rest["pagination"]["has_more"]) == (True, False)

    def test_tells_where_they_were_opened(self, client: FlaskClient) -> None:
        post_sign_up(client)
        login = client.post(
            "/api/auth/login", json={"username": "ada", "password": PASSWORD}, headers={"User-Agent": "phone"}
        )
        headers = {"Authorization": f"Bearer {login.get_json()['data']['access_token']}"}
        [session] = client.get("/api/auth/sessions", headers=headers).get_json()["data"]
        assert (session["ip"], session["user_agent"]) == ("127.0.0.1", "phone")


class TestEnd:
    def test_one_session_ends(self, app: Flask, client: FlaskClient, database: Database, user: SignedIn) -> None:
        phone = again(app, user)
        listed = client.get("/api/auth/sessions", headers=user.headers).get_json()["data"]
        [there] = [each["id"] for each in listed if not each["is_current"]]
        assert status(client, phone) == 200

        assert client.delete(f"/api/auth/sessions/{there}", headers=user.headers).status_code == 200

        assert (status(client, phone), status(client, user.tokens)) == (401, 200)
        assert audit_rows(database)[-1] == ("session.ended", "done", None)
        again_gone = client.delete(f"/api/auth/sessions/{there}", headers=user.headers)
        assert_problem(again_gone, 404, "session_not_found")

    def test_nobody_elses(self, client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
        for session_id in (other.principal.session_id, "unknown", "%00", "' OR 1=1 --"):
            answer = client.delete(f"/api/auth/sessions/{session_id}", headers=user.headers)
            assert answer.status_code in {404, 422}
        assert (status(client, user.tokens), status(client, other.tokens)) == (200, 200)
