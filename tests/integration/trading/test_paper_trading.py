"""Paper trading routes: the same orders as everywhere, on paper accounts alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import models
from models import Database
from services.trading.paper_trading import MESSAGES
from tests.books import rows
from tests.contract.exchange import SYMBOL
from tests.factories import SignedIn, with_key
from tests.order_rows import add_account
from tests.problems import assert_problem
from utils.octobot_bridge import OctoBotBridge
from utils.wire import FINAL_STATUSES, OPEN_STATUSES, UNCERTAIN_STATUSES

PAPER = "/api/paper-trading"
pytestmark = pytest.mark.usefixtures("steady")


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


def place(client: FlaskClient, user: SignedIn, key: str | None = None, **ticket: Any) -> Any:
    headers = {**user.headers, **({} if key is None else {"Idempotency-Key": key})}
    body = {"symbol": SYMBOL, "side": "buy", "amount": "0.01", **ticket}
    return client.post(f"{PAPER}/orders", headers=headers, json=body)


def get(client: FlaskClient, user: SignedIn, path: str, **query: Any) -> Any:
    answer = client.get(f"{PAPER}/{path}", headers=user.headers, query_string=query)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()["data"]


def test_an_order_is_the_same_everywhere(client: FlaskClient, user: SignedIn) -> None:
    answer = place(client, user)

    assert answer.status_code == 201
    order = answer.get_json()["data"]
    assert (order["order_id"], order["status"], order["message"]) == (order["id"], "filled", "The order is filled.")
    assert (order["account"], order["mode"]) == (user.account_id, "paper")
    elsewhere = client.get(answer.headers["Location"], headers=user.headers).get_json()["data"]
    assert {**elsewhere, "order_id": order["id"], "message": order["message"]} == order
    assert get(client, user, "orders") == [order]
    assert get(client, user, "orders", status="open") == []


def test_is_idempotent(client: FlaskClient, database: Database, user: SignedIn) -> None:
    first, again = (place(client, user, key="once").get_json()["data"] for _ in range(2))
    assert first == again
    assert len(rows(database, models.Order)) == 1
    assert_problem(place(client, user, key="once", amount="0.02"), 422, "idempotency_key_reused")


def test_positions_are_closed_by_their_id(client: FlaskClient, user: SignedIn) -> None:
    place(client, user)
    (position,) = get(client, user, "positions")
    assert (position["id"], position["symbol"], position["amount"]) == ("BTC-USDT", SYMBOL, "0.01")

    closed = client.delete(f"{PAPER}/positions/{position['id']}", headers=user.headers)

    assert closed.status_code == 200
    assert (closed.get_json()["data"]["side"], closed.get_json()["data"]["status"]) == ("sell", "filled")
    assert get(client, user, "positions") == []
    again = client.delete(f"{PAPER}/positions/{position['id']}", headers=user.headers)
    assert_problem(again, 404, "position_not_found")


def test_the_wallet_tells_what_is_free(client: FlaskClient, user: SignedIn) -> None:
    place(client, user, price="40000")
    wallet = get(client, user, "wallet")
    usdt = wallet["currencies"]["USDT"]
    assert (wallet["available"], wallet["locked"]) == (usdt["free"], usdt["locked"])
    assert Decimal(wallet["available"]) + Decimal(wallet["locked"]) == 10_000
    assert Decimal(wallet["locked"]) >= 400
    balance = client.get("/api/portfolio/balance", headers=user.headers).get_json()["data"]
    assert balance == {name: value for name, value in wallet.items() if name not in {"available", "locked"}}


def test_a_live_account_is_refused(client: FlaskClient, database: Database, user: SignedIn) -> None:
    live = add_account(database, user, mode="live", exchange="binance")
    assert_problem(place(client, user, account=live), 409, "account_not_paper")
    for path in ("orders", "positions", "wallet"):
        answer = client.get(f"{PAPER}/{path}", headers=user.headers, query_string={"account": live})
        assert_problem(answer, 409, "account_not_paper")
    closing = client.delete(f"{PAPER}/positions/BTC-USDT?account={live}", headers=user.headers)
    assert_problem(closing, 409, "account_not_paper")
    assert rows(database, models.Order) == []


def test_nobody_reaches_another_account(
    app: Flask, client: FlaskClient, database: Database, user: SignedIn, other: SignedIn
) -> None:
    place(client, user)
    assert_problem(place(client, other, account=user.account_id), 404, "account_not_found")
    for path in ("orders", "positions", "wallet"):
        answer = client.get(f"{PAPER}/{path}", headers=other.headers, query_string={"account": user.account_id})
        assert_problem(answer, 404, "account_not_found")
    closing = client.delete(f"{PAPER}/positions/BTC-USDT?account={user.account_id}", headers=other.headers)
    assert_problem(closing, 404, "account_not_found")
    reading = {**with_key(app, user, "read")}
    answer = client.post(f"{PAPER}/orders", headers=reading, json={"symbol": SYMBOL, "side": "buy", "amount": "0.01"})
    assert_problem(answer, 403, "forbidden")
    assert_problem(client.delete(f"{PAPER}/positions/BTC-USDT", headers=reading), 403, "forbidden")
    assert len(rows(database, models.Order)) == 1
    assert get(client, other, "orders") == []


def test_every_status_has_a_message() -> None:
    assert set(MESSAGES) == {*OPEN_STATUSES, *FINAL_STATUSES, *UNCERTAIN_STATUSES, "pending_new"}
