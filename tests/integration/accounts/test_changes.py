"""Accounts are renamed, filled, reset and archived over HTTP, in front of the real engine."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

import models
from app import create_app
from config import Settings
from models import Database
from tests.books import differences, rows
from tests.factories import SignedIn, audit_rows
from tests.integration.accounts.opened import ORDER, Send, opened, portfolio
from tests.problems import assert_problem, fields
from utils.octobot_bridge import OctoBotBridge, UnixTransport


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
        ("account.deposit", "done"),
        ("account.deposit", "done"),
        ("account.deposit", "denied"),
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
