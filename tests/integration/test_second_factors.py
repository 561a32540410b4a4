from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

import models
from app import create_app
from config import Settings
from models import Database
from services.backups import backup
from services.operations.rotation import Rotation
from services.users import second_factors
from tests import authenticator
from tests.factories import PASSWORD, SignedIn, audit_rows, sign_in, with_key
from tests.problems import assert_problem
from tests.settings import ENCRYPTION_KEYS
from utils.octobot_bridge import OctoBotBridge
from utils.vault import Vault

STEP = 30


class Clock:
    """The time of the server and of the telephone."""

    def __init__(self) -> None:
        self.now = float(int(time.time()) // STEP * STEP)

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(second_factors, "time", made)
    return made


def enroll(client: FlaskClient, user: SignedIn, password: str = PASSWORD) -> Any:
    return client.post("/api/auth/totp/enroll", headers=user.headers, json={"password": password})


def confirm(client: FlaskClient, user: SignedIn, code: str) -> Any:
    return client.post("/api/auth/totp/confirm", headers=user.headers, json={"totp": code})


def disable(client: FlaskClient, user: SignedIn, code: str, password: str = PASSWORD) -> Any:
    body = {"password": password, "totp": code}
    return client.post("/api/auth/totp/disable", headers=user.headers, json=body)


def log_in(client: FlaskClient, user: SignedIn, code: str | None = None, password: str = PASSWORD) -> Any:
    body = {"username": user.username, "password": password, **({} if code is None else {"totp": code})}
    return client.post("/api/auth/login", json=body)


@pytest.fixture
def secret(client: FlaskClient, user: SignedIn, clock: Clock) -> str:
    """Set up a second factor and return its secret; the next code is of another step."""
    secret: str = enroll(client, user).get_json()["data"]["secret"]
    assert confirm(client, user, authenticator.code(secret, clock.now)).status_code == 200
    clock.now += STEP
    return secret


class TestSettingUp:
    def test_takes_effect_when_it_is_confirmed(
        self, client: FlaskClient, database: Database, user: SignedIn, clock: Clock
    ) -> None:
        enrolled = enroll(client, user).get_json()["data"]
        query = parse_qs(urlsplit(enrolled["uri"]).query)
        assert (query["secret"], query["issuer"], query["digits"]) == ([enrolled["secret"]], ["Trading Backend"], ["6"])
        assert log_in(client, user).status_code == 200

        answer = confirm(client, user, authenticator.code(enrolled["secret"], clock.now))

        assert answer.status_code == 200
        codes = answer.get_json()["data"]["recovery_codes"]
        assert len(set(codes)) == 10
        assert_problem(log_in(client, user), 401, "totp_required")
        assert ("totp.enabled", "done", None) in audit_rows(database)

    def test_keeps_neither_secret_nor_codes_as_they_are(
        self, client: FlaskClient, database: Database, user: SignedIn, clock: Clock
    ) -> None:
        secret = enroll(client, user).get_json()["data"]["secret"]
        codes = confirm(client, user, authenticator.code(secret, clock.now)).get_json()["data"]["recovery_codes"]
        with database.read() as connection:
            rows = [
                str(row)
                for table in models.Base.metadata.sorted_tables
                for row in connection.execute(text(f'SELECT * FROM "{table.name}"'))
            ]
        assert not [row for row in rows if secret in row or any(code in row for code in codes)]

    def test_needs_the_password(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        assert_problem(enroll(client, user, "wrong-wrong-wrong"), 422, "wrong_password")
        assert audit_rows(database)[-1] == ("totp.enrolled", "denied", "wrong_password")

    def test_needs_a_right_code(self, client: FlaskClient, user: SignedIn, clock: Clock) -> None:
        secret = enroll(client, user).get_json()["data"]["secret"]
        wrong = f"{(int(authenticator.code(secret, clock.now)) + 1) % 10**6:06}"
        for code in (wrong, "0", "abcdef", "\uff11" * 6, " " * 6):
            assert_problem(confirm(client, user, code), 422, "totp_invalid")
        assert log_in(client, user).status_code == 200

    def test_an_earlier_attempt_is_forgotten(self, client: FlaskClient, user: SignedIn, clock: Clock) -> None:
        first = enroll(client, user).get_json()["data"]["secret"]
        second = enroll(client, user).get_json()["data"]["secret"]
        assert_problem(confirm(client, user, authenticator.code(first, clock.now)), 422, "totp_invalid")
        assert confirm(client, user, authenticator.code(second, clock.now)).status_code == 200

    def test_is_done_once(self, client: FlaskClient, user: SignedIn, secret: str, clock: Clock) -> None:
        assert_problem(enroll(client, user), 409, "totp_enabled")
        assert_problem(confirm(client, user, authenticator.code(secret, clock.now)), 409, "totp_enabled")

    def test_is_nothing_for_keys(self, app: Flask, client: FlaskClient, user: SignedIn) -> None:
        headers = with_key(app, user, "read", "trade")
        answer = client.post("/api/auth/totp/enroll", headers=headers, json={"password": PASSWORD})
        assert_problem(answer, 403, "forbidden")

    def test_confirming_nothing_is_told(self, client: FlaskClient, user: SignedIn) -> None:
        assert_problem(confirm(client, user, "123456"), 409, "totp_not_enrolled")


class TestLoggingIn:
    def test_takes_the_code(self, client: FlaskClient, user: SignedIn, secret: str, clock: Clock) -> None:
        assert log_in(client, user, authenticator.code(secret, clock.now)).status_code == 200

    @pytest.mark.parametrize(("steps", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
    def test_forgives_a_clock_that_is_half_a_minute_off(
        self, client: FlaskClient, user: SignedIn, secret: str, clock: Clock, steps: int, status: int
    ) -> None:
        clock.now += 10 * STEP
        code = authenticator.code(secret, clock.now + steps * STEP)
        assert log_in(client, user, code).status_code == status

    def test_takes_a_code_once(
        self, client: FlaskClient, database: Database, user: SignedIn, secret: str, clock: Clock
    ) -> None:
        code = authenticator.code(secret, clock.now)
        earlier = authenticator.code(secret, clock.now - STEP)
        assert log_in(client, user, code).status_code == 200
        for used in (code, earlier):
            assert_problem(log_in(client, user, used), 401, "totp_invalid")
        assert audit_rows(database)[-1] == ("session.started", "denied", "totp_invalid")

    def test_takes_a_code_once_of_many_at_the_same_time(
        self, app: Flask, user: SignedIn, secret: str, clock: Clock
    ) -> None:
        code = authenticator.code(secret, clock.now)
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: log_in(app.test_client(), user, code).status_code, range(8)))
        assert sorted(answers) == [200, *[401] * 7]

    def test_tells_of_the_code_only_with_the_password(
        self, client: FlaskClient, user: SignedIn, secret: str, clock: Clock
    ) -> None:
        code = authenticator.code(secret, clock.now)
        assert_problem(log_in(client, user, None, "wrong-wrong-wrong"), 401, "invalid_credentials")
        assert_problem(log_in(client, user, code, "wrong-wrong-wrong"), 401, "invalid_credentials")
        assert log_in(client, user, code).status_code == 200

    def test_takes_each_recovery_code_once(self, client: FlaskClient, user: SignedIn, clock: Clock) -> None:
        secret = enroll(client, user).get_json()["data"]["secret"]
        answer = confirm(client, user, authenticator.code(secret, clock.now))
        one, two, *_ = answer.get_json()["data"]["recovery_codes"]
        assert log_in(client, user, one).status_code == 200
        assert_problem(log_in(client, user, one), 401, "totp_invalid")
        assert log_in(client, user, two.replace("-", " ").upper()).status_code == 200

    def test_takes_nobody_elses(
        self, client: FlaskClient, user: SignedIn, other: SignedIn, secret: str, clock: Clock
    ) -> None:
        theirs = enroll(client, other).get_json()["data"]["secret"]
        codes = confirm(client, other, authenticator.code(theirs, clock.now)).get_json()["data"]["recovery_codes"]
        assert_problem(log_in(client, user, codes[0]), 401, "totp_invalid")
        assert_problem(log_in(client, user, authenticator.code(theirs, clock.now)), 401, "totp_invalid")
        assert log_in(client, other, codes[0]).status_code == 200

    def test_is_limited(self, settings: Settings, bridge: OctoBotBridge, database: Database) -> None:
        app = create_app(replace(settings, rate_limit_enabled=True), bridge=bridge, database=database)
        user = sign_in(app, database)
        for number in range(5):
            answer = app.test_client().post(
                "/api/auth/totp/confirm",
                headers=user.headers,
                json={"totp": "123456"},
                environ_base={"REMOTE_ADDR": f"10.0.0.{number}"},
            )
            assert_problem(answer, 409, "totp_not_enrolled")
        answer = app.test_client().post("/api/auth/totp/confirm", headers=user.headers, json={"totp": "123456"})
        assert_problem(answer, 429, "rate_limited")


class TestDisabling:
    def test_takes_password_and_code(
        self, client: FlaskClient, database: Database, user: SignedIn, secret: str, clock: Clock
    ) -> None:
        code = authenticator.code(secret, clock.now)
        assert_problem(disable(client, user, code, "wrong-wrong-wrong"), 422, "wrong_password")
        assert_problem(disable(client, user, "000000"), 422, "totp_invalid")
        assert_problem(log_in(client, user), 401, "totp_required")

        assert disable(client, user, code).get_json()["data"] == {"enabled": False}

        assert log_in(client, user).status_code == 200
        assert_problem(disable(client, user, code), 409, "totp_not_enrolled")
        assert ("totp.disabled", "done", None) in audit_rows(database)


def test_a_secret_in_another_row_does_not_open(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, secret: str, clock: Clock
) -> None:
    enroll(client, other)
    with database.write() as session:
        mine = select(models.SecondFactor.sealed).where(models.SecondFactor.user_id == user.id).scalar_subquery()
        session.execute(update(models.SecondFactor).where(models.SecondFactor.user_id == other.id).values(sealed=mine))
    answer = confirm(client, other, authenticator.code(secret, clock.now))
    assert_problem(answer, 503, "credential_unreadable")


def test_rotation_seals_it_anew_and_backups_name_its_key(
    settings: Settings, client: FlaskClient, database: Database, user: SignedIn, secret: str, tmp_path: Path
) -> None:
    ring = f"new:{secrets.token_hex(32)},{ENCRYPTION_KEYS}"
    report = Rotation(database, Vault.of(ring)).run()
    assert (report.resealed, report.unreadable, dict(report.needs)) == (1, [], {"new": 1})
    with database.read() as connection:
        row = connection.execute(select(models.SecondFactor.__table__)).one()
    assert row.key_id == "new"
    if database.is_sqlite:
        assert backup(settings, tmp_path / "backups").key_ids == ("new",)
