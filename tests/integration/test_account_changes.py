"""Accounts are opened, renamed, filled, reset and archived over HTTP, in front of the real engine."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, update
from werkzeug.test import TestResponse

import models
from app import create_app
from config import Settings
from models import Database
from tests.books import differences, rows
from tests.engine_host import EngineHost
from tests.factories import SignedIn, audit_rows
from tests.manual_market import ManualMarket
from tests.problems import assert_problem, fields
from utils import clock, ids
from utils.octobot_bridge import OctoBotBridge, UnixTransport

ORDER = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "amount": "0.01", "price": "40000"}
Send = Callable[..., TestResponse]


@pytest.fixture
def bridge(host: EngineHost, market: ManualMarket, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    market.set_price("BTC/USDT", Decimal(50_000))
    host.tick()
    return engine_bridge


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, max_accounts=4)


@pytest.fixture
def send(client: FlaskClient, user: SignedIn) -> Send:
    """Call a path below /api/accounts as the user."""

    def call(
        path: str = "", method: str = "POST", *, key: str | None = None, caller: SignedIn = user, **body: Any
    ) -> TestResponse:
        headers = {**caller.headers, **({"Idempotency-Key": key} if key else {})}
        sent = None if method in {"GET", "DELETE"} else body
        return client.open(f"/api/accounts{path}", method=method, headers=headers, json=sent)

    return call


def opened(send: Send, **body: Any) -> dict[str, Any]:
    answer = send(**{"name": "Extra", **body})
    assert answer.status_code == 201, answer.get_json()
    found: dict[str, Any] = answer.get_json()["data"]
    return found


def portfolio(client: FlaskClient, user: SignedIn, account: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/portfolio?account={account}", headers=user.headers).get_json()["data"]
    return found


def add_credential(database: Database, owner: SignedIn, **values: Any) -> str:
    moment, made = clock.now(), ids.new_id()
    row = {
        "id": made,
        "user_id": owner.id,
        "name": made,
        "exchange": "demo",
        "key_hint": "abcd",
        "sealed": b"x",
        "key_id": "k",
        "permissions": '["read","trade"]',
        "status": "verified",
        "created_at": moment,
        "updated_at": moment,
        **values,
    }
    with database.write() as session:
        session.execute(insert(models.Credential).values(**row))
    return made


# ------------------------------------------------------------------------------------------------ opening


def test_opening_a_paper_account(client: FlaskClient, send: Send, user: SignedIn, database: Database) -> None:
    answer = send(name="  Playground ", starting_balance="2500.50")
    account = answer.get_json()["data"]
    assert answer.headers["Location"] == f"/api/accounts/{account['id']}"
    assert {name: account[name] for name in ("name", "mode", "exchange", "type", "kind", "status")} == {
        "name": "Playground",
        "mode": "paper",
        "exchange": "demo",
        "type": "spot",
        "kind": "extra",
        "status": "active",
    }
    assert (account["starting_balance"], account["deposited"], account["credential"]) == ("2500.5", None, None)
    assert send(f"/{account['id']}", "GET").get_json()["data"] == account
    found = portfolio(client, user, account["id"])
    assert (found["total_value"], found["profit"]["amount"]) == ("2500.5", "0")
    assert send(f"/{account['id']}", "GET").get_json()["data"]["deposited"] == "2500.5"
    order = client.post("/api/orders", json={**ORDER, "account": account["id"]}, headers=user.headers)
    assert (order.status_code, order.get_json()["data"]["account"]) == (201, account["id"])
    assert ("account.opened", "done", None) in audit_rows(database)
    assert opened(send)["starting_balance"] == "10000"


def test_a_repeated_opening_opens_one(send: Send, database: Database) -> None:
    first = send(name="One", key="k")
    again = send(name="One", key="k")
    assert (again.status_code, again.get_json(), again.headers["Location"]) == (
        201,
        first.get_json(),
        first.headers["Location"],
    )
    assert_problem(send(name="Two", key="k"), 422, "idempotency_key_reused")
    assert len(rows(database, models.Account)) == 2


def test_accounts_are_bounded(send: Send, user: SignedIn, other: SignedIn, database: Database) -> None:
    mine = [opened(send) for _ in range(3)]
    for _ in range(2):
        assert_problem(send(name="More", key="full"), 409, "too_many_accounts")
    assert send(name="Theirs", caller=other).status_code == 201
    assert send(f"/{mine[0]['id']}", "DELETE").status_code == 200
    assert opened(send)["status"] == "active"
    assert_problem(send(name="More", key="full"), 409, "too_many_accounts")  # the key has its outcome


def test_many_openings_at_once_stay_in_bounds(app: Flask, user: SignedIn, database: Database) -> None:
    together = threading.Barrier(8)

    def post(_number: int) -> int:
        client = app.test_client()
        together.wait()
        return client.post("/api/accounts", json={"name": "x"}, headers=user.headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(post, range(8)))
    assert statuses == [201] * 3 + [409] * 5
    assert len(rows(database, models.Account)) == 4


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"name": None}, ("name", "required")),
        ({"name": "  "}, ("name", "invalid_name")),
        ({"name": "x" * 65}, ("name", "invalid_name")),
        ({"name": "a\nb"}, ("name", "invalid_name")),
        ({"mode": "demo"}, ("mode", "invalid")),
        ({"type": "margin"}, ("type", "invalid")),
        ({"starting_balance": "0"}, ("starting_balance", "not_positive")),
        ({"starting_balance": "-1"}, ("starting_balance", "not_positive")),
        ({"starting_balance": "1000000000001"}, ("starting_balance", "out_of_range")),
        ({"starting_balance": "1.0000000000000000001"}, ("starting_balance", "too_precise")),
        ({"starting_balance": "NaN"}, ("starting_balance", "invalid_number")),
        ({"credential": "x"}, ("credential", "not_applicable")),
        ({"mode": "live"}, ("credential", "required")),
        ({"mode": "live", "credential": "x", "starting_balance": "1"}, ("starting_balance", "not_applicable")),
        ({"reference_currency": "no money"}, ("reference_currency", "invalid_currency")),
        ({"kind": "main"}, ("kind", "unknown_field")),
        ({"deposited": "0"}, ("deposited", "unknown_field")),
    ],
)
def test_bad_openings_are_named_and_open_nothing(
    send: Send, database: Database, body: dict[str, Any], fault: tuple[str, str]
) -> None:
    problem = assert_problem(send(**{"name": "x", **body}), 422, "validation_failed")
    assert fault in fields(problem)
    assert len(rows(database, models.Account)) == 1


def test_the_market_has_to_be_there(send: Send, database: Database) -> None:
    assert_problem(send(name="x", exchange="kraken"), 404, "unknown_exchange")
    assert_problem(send(name="x", reference_currency="EUR"), 422, "unknown_currency")
    assert len(rows(database, models.Account)) == 1


# --------------------------------------------------------------------------------------------------- live


def test_live_needs_the_operators_consent(send: Send, user: SignedIn, database: Database) -> None:
    credential = add_credential(database, user)
    assert_problem(send(name="x", mode="live", credential=credential), 403, "live_trading_disabled")
    assert len(rows(database, models.Account)) == 1


class TestLive:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, live_trading_enabled=True)

    def test_an_account_takes_verified_keys(
        self, send: Send, user: SignedIn, database: Database, client: FlaskClient
    ) -> None:
        credential = add_credential(database, user)
        account = opened(send, mode="live", credential=credential)
        assert (account["mode"], account["credential"], account["starting_balance"]) == ("live", credential, "0")
        assert_problem(send(name="x", mode="live", credential=credential), 409, "credential_in_use")
        refused = client.delete(f"/api/credentials/{credential}", headers=user.headers)
        assert_problem(refused, 409, "credential_in_use")
        with database.write() as session:
            session.execute(update(models.Account).where(models.Account.id == account["id"]).values(status="archived"))
        assert opened(send, mode="live", credential=credential)["status"] == "active"

    @pytest.mark.parametrize(
        ("values", "status", "code"),
        [
            ({"status": "unverified"}, 409, "credential_not_verified"),
            ({"status": "failed"}, 409, "credential_not_verified"),
            ({"permissions": '["read"]'}, 409, "credential_cannot_trade"),
            ({"permissions": None}, 409, "credential_cannot_trade"),
            ({"exchange": "kraken"}, 422, "credential_exchange_mismatch"),
        ],
    )
    def test_other_keys_are_refused(
        self, send: Send, user: SignedIn, database: Database, values: dict[str, Any], status: int, code: str
    ) -> None:
        credential = add_credential(database, user, **values)
        assert_problem(send(name="x", mode="live", credential=credential), status, code)
        assert len(rows(database, models.Account)) == 1

    def test_keys_of_others_do_not_exist(self, send: Send, other: SignedIn, database: Database) -> None:
        credential = add_credential(database, other)
        assert_problem(send(name="x", mode="live", credential=credential), 404, "credential_not_found")

    def test_one_account_wins_the_keys(self, app: Flask, user: SignedIn, database: Database) -> None:
        body = {"name": "x", "mode": "live", "credential": add_credential(database, user)}
        together = threading.Barrier(3)

        def post(_number: int) -> int:
            client = app.test_client()
            together.wait()
            return client.post("/api/accounts", json=body, headers=user.headers).status_code

        with ThreadPoolExecutor(3) as pool:
            assert sorted(pool.map(post, range(3))) == [201, 409, 409]


# ------------------------------------------------------------------------------------------------ changes


def test_renaming(send: Send, user: SignedIn, other: SignedIn, database: Database) -> None:
    path = f"/{user.account_id}"
    assert send(path, "PATCH", name="Mine").get_json()["data"]["name"] == "Mine"
    assert send(path, "GET").get_json()["data"]["name"] == "Mine"
    assert_problem(send(path, "PATCH", name=""), 422, "validation_failed")
    assert_problem(send(path, "PATCH", caller=other, name="Theirs"), 404, "account_not_found")
    assert send(path, "GET").get_json()["data"]["name"] == "Mine"
    assert [row for row in audit_rows(database) if row[0] == "account.renamed"] == [("account.renamed", "done", None)]


def test_a_deposit_is_booked_once_and_is_no_profit(
    client: FlaskClient, send: Send, user: SignedIn, database: Database, bridge: OctoBotBridge
) -> None:
    path = f"/{user.account_id}/deposit"
    first = send(path, currency="usdt", amount="500", key="pay")
    assert (first.status_code, first.get_json()["data"]["deposited"]) == (201, "10500")
    assert send(path, currency="USDT", amount="500", key="pay").get_json()["data"] == first.get_json()["data"]
    assert_problem(send(path, currency="USDT", amount="501", key="pay"), 422, "idempotency_key_reused")
    coins = send(path, currency="BTC", amount="0.1").get_json()["data"]
    assert (coins["value"], coins["deposited"]) == ("5000", "15500")
    found = portfolio(client, user, user.account_id)
    assert (found["total_value"], found["profit"]) == ("15500", {"amount": "0", "percent": "0"})
    assert send(f"/{user.account_id}", "GET").get_json()["data"]["deposited"] == "15500"
    problem = assert_problem(send(path, currency="XXX", amount="1", key="no"), 422, "currency_not_valued")
    assert fields(problem) == {("currency", "currency_not_valued")}
    assert differences(database, bridge) == []
    assert [row[:2] for row in audit_rows(database) if row[0] == "account.deposit"] == [
        ("account.deposit", "ok"),
        ("account.deposit", "ok"),
        ("account.deposit", "refused"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"currency": "USDT"},
        {"amount": "1"},
        {"currency": "USDT", "amount": "0"},
        {"currency": "USDT", "amount": "-5"},
        {"currency": "USDT", "amount": "1e400"},
        {"currency": "USDT", "amount": "1_000"},
        {"currency": "U\u0000", "amount": "1"},
        {"currency": "", "amount": "1"},
    ],
)
def test_bad_deposits_change_nothing(send: Send, user: SignedIn, database: Database, body: dict[str, str]) -> None:
    assert send(f"/{user.account_id}/deposit", **body).status_code == 422
    assert rows(database, models.LedgerEntry) == []


def test_a_reset_begins_anew(
    client: FlaskClient, send: Send, user: SignedIn, database: Database, bridge: OctoBotBridge
) -> None:
    client.post("/api/orders", json={**ORDER, "type": "market", "amount": "0.1"}, headers=user.headers)
    client.post("/api/orders", json=ORDER, headers=user.headers)
    answer = send(f"/{user.account_id}/reset", starting_balance="300", key="again").get_json()["data"]
    assert (answer["starting_balance"], answer["deposited"]) == ("300", "300")
    assert answer["reset_at"] is not None
    send(f"/{user.account_id}/deposit", currency="USDT", amount="1")
    again = send(f"/{user.account_id}/reset", starting_balance="300", key="again").get_json()["data"]
    assert again["reset_at"] == answer["reset_at"]
    found = portfolio(client, user, user.account_id)
    assert (found["total_value"], found["open_orders"], found["positions"]) == ("301", 0, [])
    assert client.get("/api/orders?status=open", headers=user.headers).get_json()["data"] == []
    kinds = [(row.kind, row.currency) for row in rows(database, models.LedgerEntry)]
    assert kinds.count(("reset", "BTC")) == kinds.count(("reset", "USDT")) == 1
    assert differences(database, bridge) == []


def test_a_reset_without_a_body_begins_with_the_same_balance(client: FlaskClient, user: SignedIn) -> None:
    path = f"/api/accounts/{user.account_id}/reset"
    done = client.post(path, headers=user.headers)
    assert (done.status_code, done.get_json()["data"]["starting_balance"]) == (200, "10000")
    assert_problem(
        client.post(path, data="{", content_type="application/json", headers=user.headers), 400, "malformed_json"
    )
    assert_problem(client.put("/api/trading/risk-limits", headers=user.headers), 400, "malformed_json")


def test_an_archived_account_can_be_read_and_nothing_else(
    client: FlaskClient, send: Send, user: SignedIn, database: Database, bridge: OctoBotBridge
) -> None:
    account = opened(send)["id"]
    client.post("/api/orders", json={**ORDER, "account": account}, headers=user.headers)
    for _ in range(2):
        assert send(f"/{account}", "DELETE").get_json()["data"]["status"] == "archived"
    listed = {
        status: [each["id"] for each in send(f"?status={status}", "GET").get_json()["data"]]
        for status in ("active", "archived", "all")
    }
    assert listed == {"active": [user.account_id], "archived": [account], "all": [user.account_id, account]}
    assert portfolio(client, user, account)["total_value"] == "10000"
    orders = client.get(f"/api/orders?account={account}", headers=user.headers).get_json()["data"]
    assert [order["status"] for order in orders] == ["canceled"]
    answer = client.post("/api/orders", json={**ORDER, "account": account}, headers=user.headers)
    assert_problem(answer, 409, "account_archived")
    assert_problem(send(f"/{account}/deposit", currency="USDT", amount="1"), 409, "account_archived")
    assert_problem(send(f"/{account}/reset"), 409, "account_archived")
    assert differences(database, bridge) == []


def test_the_main_account_stays(send: Send, user: SignedIn) -> None:
    assert_problem(send(f"/{user.account_id}", "DELETE"), 409, "main_account")


@pytest.mark.parametrize("kind", ["strategy", "tournament", "bot"])
def test_nobody_fills_what_is_looked_after(send: Send, user: SignedIn, database: Database, kind: str) -> None:
    account = opened(send)["id"]
    with database.write() as session:
        session.execute(update(models.Account).where(models.Account.id == account).values(kind=kind))
    assert_problem(send(f"/{account}/deposit", currency="USDT", amount="1"), 409, "account_managed")
    assert_problem(send(f"/{account}/reset"), 409, "account_managed")
    assert_problem(send(f"/{account}", "DELETE"), 409, "account_managed")


def test_what_belongs_to_others_cannot_be_changed(send: Send, other: SignedIn, database: Database) -> None:
    path = f"/{other.account_id}"
    assert_problem(send(path, "DELETE"), 404, "account_not_found")
    assert_problem(send(f"{path}/reset"), 404, "account_not_found")
    assert_problem(send(f"{path}/deposit", currency="USDT", amount="1"), 404, "account_not_found")
    assert rows(database, models.LedgerEntry) == []
    assert rows(database, models.Account)[1].status == "active"


def test_without_an_engine_nothing_is_opened(
    app: Flask, settings: Settings, database: Database, user: SignedIn, tmp_path: Any
) -> None:
    lonely = create_app(settings, bridge=OctoBotBridge(UnixTransport(tmp_path / "none.sock")), database=database)
    headers = {**user.headers, "Idempotency-Key": "later"}
    answer = lonely.test_client().post("/api/accounts", json={"name": "x"}, headers=headers)
    assert_problem(answer, 503, "engine_unavailable")
    assert len(rows(database, models.Account)) == 1
    assert app.test_client().post("/api/accounts", json={"name": "x"}, headers=headers).status_code == 201
