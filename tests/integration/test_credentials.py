"""A user's exchange keys over HTTP: they go in, and nothing but their end comes out."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

import models
from config import Settings
from models import Database
from services.accounts.credentials import Credentials
from tests.factories import SignedIn, audit_rows, services_of
from tests.fake_engine import FakeEngine
from tests.order_rows import add_account
from tests.problems import assert_problem, fields
from tests.settings import ENCRYPTION_KEYS
from utils import credentials
from utils.credentials import ApiKeys
from utils.errors import EngineUnavailable, ExchangeUnavailable, NotReady
from utils.octobot_bridge import OctoBotBridge
from utils.vault import Sealed, Vault
from utils.wire import CredentialCheck

KEYS = {"api_key": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0M7Q2f", "api_secret": "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZ"}
BODY = {"name": "My Binance", "exchange": "binance", **KEYS}
OTHER_KEYS = {"api_key": "another-key-that-ends-in-9Xw1", "api_secret": "another-secret-of-the-same-user"}
FIELDS = {
    *("id", "name", "exchange", "key_hint", "permissions", "status", "error_code", "verified_at", "created_at"),
}
PATH = "/api/credentials"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, exchanges=("demo", "binance", "kucoin"))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def bridge(engine: FakeEngine) -> OctoBotBridge:
    return OctoBotBridge(engine)


def create(client: FlaskClient, user: SignedIn, headers: dict[str, str] | None = None, **changes: Any) -> TestResponse:
    return client.post(PATH, json={**BODY, **changes}, headers={**user.headers, **(headers or {})})


def created(client: FlaskClient, user: SignedIn, **changes: Any) -> str:
    answer = create(client, user, **changes)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return str(answer.get_json()["data"]["id"])


def row(database: Database, credential_id: str) -> Any:
    with database.read() as connection:
        query = select(models.Credential.__table__).where(models.Credential.id == credential_id)
        return connection.execute(query).one_or_none()


def opened(database: Database, credential_id: str, user: SignedIn) -> ApiKeys:
    stored = row(database, credential_id)
    sealed = Sealed(stored.key_id, stored.sealed)
    return credentials.open(Vault.of(ENCRYPTION_KEYS), sealed, user.id, stored.exchange, credential_id)


def trade_with(database: Database, user: SignedIn, credential_id: str, status: str = "active") -> str:
    live = {"mode": "live", "exchange": "binance", "kind": "main", "starting_balance": 0}
    return add_account(database, user, **live, credential_id=credential_id, status=status)


class TestCreating:
    def test_keys_are_sealed_and_not_shown(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        answer = create(client, user, password="a passphrase")

        assert answer.status_code == 201
        made = answer.get_json()["data"]
        assert set(made) == FIELDS
        assert (made["name"], made["exchange"], made["key_hint"]) == ("My Binance", "binance", "7Q2f")
        assert (made["status"], made["permissions"], made["error_code"]) == ("unverified", None, None)
        assert opened(database, made["id"], user) == ApiKeys(**KEYS, password="a passphrase")
        location = answer.headers["Location"]
        assert client.get(location, headers=user.headers).get_json()["data"] == made
        assert audit_rows(database)[-1] == ("credential.created", "done", None)

    @pytest.mark.parametrize(
        ("changes", "fault"),
        [
            ({"name": ""}, ("name", "invalid")),
            ({"name": " padded "}, ("name", "invalid")),
            ({"name": "x" * 65}, ("name", "invalid")),
            ({"name": "two\nlines"}, ("name", "invalid")),
            ({"name": None}, ("name", "required")),
            ({"exchange": "../etc"}, ("exchange", "invalid")),
            ({"exchange": "nowhere"}, ("exchange", "unknown_exchange")),
            ({"exchange": "bybit"}, ("exchange", "unknown_exchange")),  # ccxt has it, this installation does not
            ({"exchange": "demo"}, ("exchange", "unknown_exchange")),
            ({"api_key": "short"}, ("api_key", "invalid_api_key")),
            ({"api_key": "with spaces in it"}, ("api_key", "invalid_api_key")),
            ({"api_key": "k" * 257}, ("api_key", "invalid_api_key")),
            ({"api_secret": "secret\u0007secret"}, ("api_secret", "invalid_api_secret")),
            ({"api_secret": 123456789}, ("api_secret", "invalid")),
            ({"password": ""}, ("password", "invalid_password")),
            ({"passphrase": "x"}, ("passphrase", "unknown_field")),
        ],
    )
    def test_bad_bodies_are_named_and_change_nothing(
        self, client: FlaskClient, user: SignedIn, changes: dict[str, Any], fault: tuple[str, str]
    ) -> None:
        answer = create(client, user, **changes)
        code = "unknown_exchange" if fault[1] == "unknown_exchange" else "validation_failed"
        assert fields(assert_problem(answer, 422, code)) == {fault}
        assert client.get(PATH, headers=user.headers).get_json()["data"] == []

    def test_a_pem_key_is_taken_as_it_is(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"
        made = created(client, user, api_secret=pem)
        assert opened(database, made, user).api_secret == pem

    def test_names_are_unique_per_user(self, client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
        created(client, user)
        assert fields(assert_problem(create(client, user, exchange="kucoin"), 409, "name_taken")) == {
            ("name", "name_taken")
        }
        created(client, user, name="my binance")
        created(client, other)

    def test_a_key_makes_it_once(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        key = {"Idempotency-Key": "connect-1"}
        first = create(client, user, key)
        again = create(client, user, key)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.get_json() == again.get_json()
        assert first.headers["Location"] == again.headers["Location"]
        for changes in ({"name": "Another"}, {"api_secret": OTHER_KEYS["api_secret"]}, {"password": "now with one"}):
            assert_problem(create(client, user, key, **changes), 422, "idempotency_key_reused")
        assert len(client.get(PATH, headers=user.headers).get_json()["data"]) == 1
        with database.read() as connection:
            stored = connection.execute(select(models.IdempotencyKey.__table__)).all()
        assert not any(secret in str(stored) for secret in KEYS.values())

    def test_of_many_at_once_one_gets_the_name(self, app: Flask, user: SignedIn) -> None:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(create(app.test_client(), user).status_code))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [201] + [409] * 5


class TestReading:
    def test_pages_meet(self, client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
        made = [created(client, user, name=f"Key {number}") for number in range(5)]
        created(client, other)
        seen: list[str] = []
        cursor = ""
        while True:
            page = client.get(f"{PATH}?limit=2{cursor}", headers=user.headers).get_json()
            seen += [one["id"] for one in page["data"]]
            if not page["pagination"]["has_more"]:
                break
            cursor = f"&cursor={page['pagination']['next_cursor']}"
        assert seen == made

    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "POST"])
    def test_what_belongs_to_others_does_not_exist(
        self, client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, admin: SignedIn, method: str
    ) -> None:
        theirs = created(client, other)
        before = row(database, theirs)
        path = f"{PATH}/{theirs}" + ("/verify" if method == "POST" else "")
        for caller in (user, admin):
            body = {"PUT": OTHER_KEYS, "PATCH": {"name": "Mine"}}.get(method)
            answer = client.open(path, method=method, headers=caller.headers, json=body)
            assert_problem(answer, 404, "credential_not_found")
        assert row(database, theirs) == before


class TestRenaming:
    def test_keys_stay_what_they_are(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        made = created(client, user)
        known = client.post(f"{PATH}/{made}/verify", headers=user.headers).get_json()["data"]
        before = row(database, made)

        answer = client.patch(f"{PATH}/{made}", json={"name": "Renamed"}, headers=user.headers)

        assert answer.status_code == 200
        assert answer.get_json()["data"] == {**known, "name": "Renamed"}
        assert row(database, made)._asdict() == {**before._asdict(), "name": "Renamed"}
        assert audit_rows(database)[-1] == ("credential.renamed", "done", None)

    def test_a_bad_name_changes_nothing(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        made = created(client, user)
        created(client, user, name="Second")
        before, path = row(database, made), f"{PATH}/{made}"
        taken = client.patch(path, json={"name": "Second"}, headers=user.headers)
        assert fields(assert_problem(taken, 409, "name_taken")) == {("name", "name_taken")}
        bad: tuple[dict[str, Any], ...] = (
            {},
            {"name": None},
            {"name": " padded "},
            {"name": "New", "api_key": KEYS["api_key"]},
        )
        for body in bad:
            assert_problem(client.patch(path, json=body, headers=user.headers), 422, "validation_failed")
        assert row(database, made) == before
        assert client.patch(path, json={"name": "My Binance"}, headers=user.headers).status_code == 200  # its own


class TestReplacing:
    def test_other_keys_have_to_be_verified_anew(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        made = created(client, user)
        assert client.post(f"{PATH}/{made}/verify", headers=user.headers).get_json()["data"]["status"] == "verified"

        answer = client.put(f"{PATH}/{made}", json={**OTHER_KEYS, "name": "Renamed"}, headers=user.headers)

        assert answer.status_code == 200
        changed = answer.get_json()["data"]
        assert (changed["id"], changed["name"], changed["key_hint"]) == (made, "Renamed", "9Xw1")
        assert (changed["status"], changed["permissions"], changed["verified_at"]) == ("unverified", None, None)
        assert opened(database, made, user) == ApiKeys(*OTHER_KEYS.values())
        assert audit_rows(database)[-1] == ("credential.replaced", "done", None)

    def test_the_name_stays_unless_it_is_given(self, client: FlaskClient, user: SignedIn) -> None:
        made = created(client, user)
        created(client, user, name="Second")
        path = f"{PATH}/{made}"
        assert client.put(path, json=OTHER_KEYS, headers=user.headers).get_json()["data"]["name"] == "My Binance"
        answer = client.put(path, json={**OTHER_KEYS, "name": "My Binance"}, headers=user.headers)
        assert answer.status_code == 200
        assert_problem(client.put(path, json={**KEYS, "name": "Second"}, headers=user.headers), 409, "name_taken")
        assert client.get(path, headers=user.headers).get_json()["data"]["key_hint"] == "9Xw1"


class TestDeleting:
    def test_forgets_the_keys(self, client: FlaskClient, database: Database, user: SignedIn) -> None:
        made = created(client, user)
        answer = client.delete(f"{PATH}/{made}", headers=user.headers)
        assert answer.get_json()["data"]["id"] == made
        assert row(database, made) is None
        assert_problem(client.delete(f"{PATH}/{made}", headers=user.headers), 404, "credential_not_found")
        assert audit_rows(database)[-1] == ("credential.deleted", "done", None)

    def test_not_while_an_active_account_trades_with_them(
        self, client: FlaskClient, database: Database, user: SignedIn
    ) -> None:
        made = created(client, user)
        account_id = trade_with(database, user, made)
        before = row(database, made)
        assert_problem(client.delete(f"{PATH}/{made}", headers=user.headers), 409, "credential_in_use")
        assert row(database, made) == before

        with database.write() as session:
            session.execute(update(models.Account).where(models.Account.id == account_id).values(status="archived"))
        assert client.delete(f"{PATH}/{made}", headers=user.headers).status_code == 200
        with database.read() as connection:
            query = select(models.Account.credential_id).where(models.Account.id == account_id)
            assert connection.execute(query).scalar_one() is None


class TestVerifying:
    @pytest.mark.parametrize(
        ("check", "status", "outcome"),
        [
            (CredentialCheck(permissions=["read", "trade"]), "verified", "done"),
            (CredentialCheck(permissions=["read"]), "verified", "done"),
            (CredentialCheck(permissions=None, error_code="invalid_api_key"), "failed", "denied"),
            (
                CredentialCheck(permissions=["read", "trade", "withdraw"], error_code="withdraw_permission"),
                "failed",
                "denied",
            ),
        ],
    )
    def test_keeps_what_the_exchange_said(
        self,
        client: FlaskClient,
        database: Database,
        engine: FakeEngine,
        user: SignedIn,
        check: CredentialCheck,
        status: str,
        outcome: str,
    ) -> None:
        made = created(client, user)
        engine.credential_check = check

        answer = client.post(f"{PATH}/{made}/verify", headers=user.headers)

        assert answer.status_code == 200
        told = answer.get_json()["data"]
        assert (told["status"], told["permissions"], told["error_code"]) == (
            status,
            check.permissions,
            check.error_code,
        )
        assert (told["verified_at"] is not None) == (status == "verified")
        assert client.get(f"{PATH}/{made}", headers=user.headers).get_json()["data"] == told
        assert audit_rows(database)[-1] == ("credential.verified", outcome, check.error_code)

    @pytest.mark.parametrize(
        ("failure", "status"),
        [
            (ExchangeUnavailable("binance does not answer.", retry_after=5), 502),
            (EngineUnavailable("away", retry_after=2), 503),
        ],
    )
    def test_an_unreachable_exchange_does_not_fail_keys(
        self,
        client: FlaskClient,
        database: Database,
        engine: FakeEngine,
        user: SignedIn,
        failure: EngineUnavailable | ExchangeUnavailable,
        status: int,
    ) -> None:
        made = created(client, user)
        client.post(f"{PATH}/{made}/verify", headers=user.headers)
        before = row(database, made)
        engine.fail_with(failure)

        answer = client.post(f"{PATH}/{made}/verify", headers=user.headers)

        assert_problem(answer, status, failure.code)
        assert answer.headers["Retry-After"] == str(failure.retry_after)
        assert row(database, made) == before
        assert before.status == "verified"

    def test_what_was_asked_of_replaced_keys_does_not_count(
        self, client: FlaskClient, app: Flask, database: Database, user: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = created(client, user)
        bridge = services_of(app).credentials._bridge

        def replaced_meanwhile(_query: object) -> CredentialCheck:
            assert client.put(f"{PATH}/{made}", json=OTHER_KEYS, headers=user.headers).status_code == 200
            return CredentialCheck(permissions=["read", "trade"])

        monkeypatch.setattr(bridge, "verify_credential", replaced_meanwhile)
        answer = client.post(f"{PATH}/{made}/verify", headers=user.headers)
        assert_problem(answer, 409, "credential_changed")
        assert row(database, made).status == "unverified"


def test_rows_that_were_swapped_do_not_open(client: FlaskClient, database: Database, user: SignedIn) -> None:
    first, second = created(client, user), created(client, user, name="Second", **OTHER_KEYS)
    a, b = row(database, first), row(database, second)
    with database.write() as session:
        for target, source in ((a, b), (b, a)):
            session.execute(
                update(models.Credential).where(models.Credential.id == target.id).values(sealed=source.sealed)
            )
    for each in (first, second):
        with pytest.raises(NotReady, match="another row"):
            opened(database, each, user)


def test_the_service_does_not_show_its_keys(app: Flask) -> None:
    service = services_of(app).credentials
    assert isinstance(service, Credentials)
    assert ENCRYPTION_KEYS.partition(":")[2] not in repr(vars(service)) + repr(vars(service._vault))
