from __future__ import annotations

import hashlib
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

import models
from app import create_app
from config import Settings
from models import Database
from services.audit import SYSTEM
from services.users import api_keys
from services.users.api_keys import MAX_KEYS, USE_NOTED
from services.users.second_factors import SecondFactors
from services.users.sessions import ChangePassword
from tests import authenticator
from tests.factories import PASSWORD, SignedIn, audit_rows, services_of, sign_in, with_key
from tests.problems import assert_problem
from utils import clock
from utils.octobot_bridge import OctoBotBridge

PATH = "/api/auth/api-keys"
KEY = {"name": "My bot", "scopes": ["read"], "password": PASSWORD}


@pytest.fixture
def looked_up_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look owners up for every request, as if a second went by between two."""
    monkeypatch.setattr(api_keys, "CALLER_SECONDS", 0)


def create(client: FlaskClient, user: SignedIn, **changes: Any) -> Any:
    return client.post(PATH, headers=user.headers, json={**KEY, **changes})


def stored(database: Database) -> Any:
    with database.read() as connection:
        return connection.execute(select(models.ApiKey.__table__)).one()


class TestMaking:
    def test_shows_the_key_once_and_keeps_its_hash(
        self, client: FlaskClient, database: Database, user: SignedIn
    ) -> None:
        answer = create(client, user, scopes=["trade", "read"])

        assert answer.status_code == 201
        made = answer.get_json()["data"]
        assert (made["name"], made["scopes"], made["last_used_at"]) == ("My bot", ["read", "trade"], None)
        row = stored(database)
        assert row.digest == hashlib.sha256(made["key"].encode()).hexdigest()
        assert made["key"] not in str(row._mapping)
        listed = client.get(PATH, headers=user.headers).get_json()["data"]
        assert listed == [{name: value for name, value in made.items() if name != "key"}]
        assert made["key"].startswith(listed[0]["hint"])
        assert audit_rows(database)[-1] == ("api_key.created", "done", None)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"scopes": []}, "validation_failed"),
            ({"scopes": ["root"]}, "validation_failed"),
            ({"scopes": "read"}, "validation_failed"),
            ({"scopes": ["read", "admin"]}, "scope_not_held"),
            ({"name": " "}, "validation_failed"),
            ({"name": "x" * 65}, "validation_failed"),
            ({"password": None}, "validation_failed"),
            ({"password": "wrong-wrong-wrong"}, "wrong_password"),
        ],
    )
    def test_refuses_what_is_wrong(
        self, client: FlaskClient, database: Database, user: SignedIn, changes: dict[str, Any], code: str
    ) -> None:
        assert_problem(create(client, user, **changes), 422, code)
        assert client.get(PATH, headers=user.headers).get_json()["data"] == []

    def test_has_an_end(self, app: Flask, client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
        for _ in range(MAX_KEYS):
            with_key(app, user, "read")
        assert_problem(create(client, user), 409, "too_many_api_keys")
        assert create(client, other).status_code == 201

    def test_needs_a_session(self, app: Flask, client: FlaskClient, admin: SignedIn) -> None:
        headers = with_key(app, admin, "read", "trade", "admin")
        problem = assert_problem(client.post(PATH, headers=headers, json=KEY), 403, "forbidden")
        assert problem["detail"] == "No API key may do this; sign in."

    def test_is_refused_a_stolen_token(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        body = {"name": "x", "scopes": ["trade"]}
        answer = client.post(PATH, headers=user.headers, json=body)
        assert [error["field"] for error in assert_problem(answer, 422, "validation_failed")["errors"]] == ["password"]
        assert_problem(create(client, user, password="wrong-wrong-wrong"), 422, "wrong_password")
        assert audit_rows(database)[-1] == ("api_key.created", "denied", "wrong_password")

    def test_takes_a_code_of_the_second_factor(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        enrolled = client.post("/api/auth/totp/enroll", headers=user.headers, json={"password": PASSWORD})
        code = authenticator.code(enrolled.get_json()["data"]["secret"], time.time())
        confirmed = client.post("/api/auth/totp/confirm", headers=user.headers, json={"totp": code})
        recovery = confirmed.get_json()["data"]["recovery_codes"][0]

        assert_problem(create(client, user), 422, "totp_required")
        problem = assert_problem(create(client, user, totp=code), 422, "totp_invalid")  # it was used to confirm
        assert [error["field"] for error in problem["errors"]] == ["totp"]
        assert_problem(create(client, user, totp=recovery, password="wrong-wrong-wrong"), 422, "wrong_password")
        assert create(client, user, totp=recovery).status_code == 201
        assert_problem(create(client, user, totp=recovery), 422, "totp_invalid")
        denied = [row for row in audit_rows(database) if row[:2] == ("api_key.created", "denied")]
        assert [code for *_, code in denied] == ["totp_required", "totp_invalid", "wrong_password", "totp_invalid"]

    def test_is_refused_when_the_password_changes_meanwhile(
        self, app: Flask, client: FlaskClient, user: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        check = SecondFactors.check

        def change_too(factors: SecondFactors, *given: Any) -> str:
            checked = check(factors, *given)
            changed = ChangePassword(current_password=PASSWORD, new_password="another-long-lovely-day")
            services_of(app).sessions.change_password(user.principal, changed, SYSTEM)
            return checked

        monkeypatch.setattr(SecondFactors, "check", change_too)
        assert_problem(create(client, user), 401, "session_ended")


class TestUsing:
    def test_is_its_owner(self, app: Flask, client: FlaskClient, user: SignedIn) -> None:
        headers = with_key(app, user, "read")
        assert client.get("/api/auth/me", headers=headers).get_json()["data"]["id"] == user.id
        assert client.get("/api/accounts", headers=headers).get_json()["data"][0]["id"] == user.account_id

    @pytest.mark.parametrize("key", ["", "tbk_", "tbk_" + "A" * 43, "x" * 5000, "tbk_" + "ä" * 43, "' OR 1=1 --"])
    def test_of_a_wrong_one_is_nobody(self, client: FlaskClient, user: SignedIn, key: str) -> None:
        assert_problem(client.get("/api/auth/me", headers={"X-API-Key": key}), 401, "api_key_invalid")

    def test_with_a_token_beside_it_is_refused(self, app: Flask, client: FlaskClient, user: SignedIn) -> None:
        headers = {**with_key(app, user, "read"), **user.headers}
        assert_problem(client.get("/api/auth/me", headers=headers), 401, "token_invalid")

    def test_is_noted_once_a_minute(
        self, app: Flask, client: FlaskClient, database: Database, user: SignedIn, looked_up_anew: None
    ) -> None:
        headers = with_key(app, user, "read")
        client.get("/api/auth/me", headers=headers)
        first = stored(database).last_used_at
        assert clock.now() - first < timedelta(seconds=10)
        client.get("/api/auth/me", headers=headers)
        assert stored(database).last_used_at == first
        with database.write() as session:
            session.execute(update(models.ApiKey).values(last_used_at=first - USE_NOTED))
        client.get("/api/auth/me", headers=headers)
        assert stored(database).last_used_at >= first

    def test_an_admins_key_administers_with_the_scope_alone(
        self, app: Flask, client: FlaskClient, admin: SignedIn
    ) -> None:
        headers = with_key(app, admin, "trade")
        answer = client.post("/api/trading/kill-switch", headers=headers, json={"scope": "installation"})
        assert_problem(answer, 403, "forbidden")


class TestEnding:
    def test_ends_it_at_once(self, app: Flask, client: FlaskClient, database: Database, user: SignedIn) -> None:
        made = create(client, user).get_json()["data"]
        headers = {"X-API-Key": made["key"]}
        assert client.get("/api/auth/me", headers=headers).status_code == 200

        assert client.delete(f"{PATH}/{made['id']}", headers=user.headers).status_code == 200

        assert_problem(client.get("/api/auth/me", headers=headers), 401, "api_key_invalid")
        assert audit_rows(database)[-1] == ("api_key.deleted", "done", None)
        assert_problem(client.delete(f"{PATH}/{made['id']}", headers=user.headers), 404, "api_key_not_found")

    def test_leaves_those_of_others_alone(self, client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
        made = create(client, user).get_json()["data"]

        assert_problem(client.delete(f"{PATH}/{made['id']}", headers=other.headers), 404, "api_key_not_found")

        assert client.get(PATH, headers=other.headers).get_json()["data"] == []
        assert client.get("/api/auth/me", headers={"X-API-Key": made["key"]}).status_code == 200

    def test_comes_with_the_end_of_the_owner(
        self, app: Flask, client: FlaskClient, database: Database, user: SignedIn, looked_up_anew: None
    ) -> None:
        headers = with_key(app, user, "read")
        assert client.get("/api/auth/me", headers=headers).status_code == 200
        with database.write() as session:
            session.execute(update(models.User).where(models.User.id == user.id).values(is_active=False))
        assert_problem(client.get("/api/auth/me", headers=headers), 401, "api_key_invalid")

    @pytest.mark.parametrize("elsewhere", [False, True])
    def test_comes_with_a_change_of_the_password(
        self,
        app: Flask,
        client: FlaskClient,
        settings: Settings,
        bridge: OctoBotBridge,
        database: Database,
        user: SignedIn,
        other: SignedIn,
        monkeypatch: pytest.MonkeyPatch,
        elsewhere: bool,
    ) -> None:
        if elsewhere:
            monkeypatch.setattr(api_keys, "CALLER_SECONDS", 0)
        witness = create_app(settings, bridge=bridge, database=database).test_client() if elsewhere else client
        keys = [with_key(app, owner, "trade") for owner in (user, user, other)]
        assert [witness.get("/api/auth/me", headers=key).status_code for key in keys] == [200] * 3

        body = {"current_password": PASSWORD, "new_password": "another-long-lovely-day"}
        assert client.post("/api/auth/password", headers=user.headers, json=body).status_code == 200

        assert [witness.get("/api/auth/me", headers=key).status_code for key in keys] == [401, 401, 200]
        assert ("api_keys.ended", "done", None) in audit_rows(database)

    def test_stays_out_of_the_audit_log_without_a_key(
        self, client: FlaskClient, database: Database, user: SignedIn
    ) -> None:
        body = {"current_password": PASSWORD, "new_password": "another-long-lovely-day"}
        assert client.post("/api/auth/password", headers=user.headers, json=body).status_code == 200
        assert "api_keys.ended" not in [action for action, *_ in audit_rows(database)]


def test_a_stream_of_a_key_ends_with_the_key(app: Flask, client: FlaskClient, user: SignedIn) -> None:
    one, two = (create(client, user).get_json()["data"] for _ in range(2))
    sessions = services_of(app).sessions
    assert services_of(app).api_keys.principal(one["key"]).session_id == one["id"]
    assert sessions.ended([one["id"], two["id"], user.principal.session_id, "unknown"]) == {"unknown"}
    client.delete(f"{PATH}/{one['id']}", headers=user.headers)
    assert sessions.ended([one["id"], two["id"]]) == {one["id"]}


def test_each_key_has_a_rate_limit_of_its_own(
    tmp_path: Path, settings: Settings, bridge: OctoBotBridge, database: Database
) -> None:
    from dataclasses import replace

    limited = replace(settings, rate_limit_enabled=True, rate_limit_per_minute=3)
    app = create_app(limited, bridge=bridge, database=database)
    user = sign_in(app, database)
    client, one, two = app.test_client(), with_key(app, user, "read"), with_key(app, user, "read")

    for _ in range(3):
        assert client.get("/api/auth/me", headers=one).status_code == 200
    assert_problem(client.get("/api/auth/me", headers=one), 429, "rate_limited")
    assert client.get("/api/auth/me", headers=two).status_code == 200
    assert client.get("/api/auth/me", headers=user.headers).status_code == 200


def test_a_database_that_cannot_be_written_keeps_no_key_from_reading(
    app: Flask, client: FlaskClient, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from utils.errors import StorageUnavailable

    headers = with_key(app, user, "read")

    def refuse() -> None:
        raise StorageUnavailable("full")

    monkeypatch.setattr(services_of(app).api_keys._database, "write", refuse)
    assert client.get("/api/auth/me", headers=headers).status_code == 200
