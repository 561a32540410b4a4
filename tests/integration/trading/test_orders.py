"""Reading, changing and canceling orders over HTTP; nobody reaches what is somebody else's."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from models import Database
from tests.factories import SignedIn
from tests.fake_engine import FakeEngine
from tests.integration.trading.conftest import Post
from tests.integration.trading.lists import TRADES, ids
from tests.order_rows import MORNING, add_account, add_order, add_trade, keep_order
from tests.problems import assert_problem, fields
from utils.errors import EngineUnavailable
from utils.ids import new_id
from utils.octobot_bridge import OctoBotBridge
from utils.ties import adopted_name
from utils.wire import Actor, Order, OrderTicket, PlaceOrder

PREFIXES = ["/api/trading/orders", "/api/orders"]


@pytest.fixture
def placed(place: Post, database: Database, user: SignedIn) -> str:
    """An open order of the user, in the engine and in the database."""
    return keep_order(database, user, place().get_json()["data"])


# ------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_order_reads_as_it_was_answered(
    client: FlaskClient, database: Database, user: SignedIn, place: Post, prefix: str
) -> None:
    answered = place(client_order_id="mine").get_json()["data"]
    keep_order(database, user, answered)
    assert client.get(f"{prefix}/{answered['id']}", headers=user.headers).get_json()["data"] == answered
    assert client.get(f"{prefix}/by-client-id/mine", headers=user.headers).get_json()["data"] == answered


def test_an_order_that_was_adopted_is_found_by_the_id_its_client_gave(
    client: FlaskClient, database: Database, user: SignedIn
) -> None:
    account = add_account(database, user, mode="live")
    order = add_order(database, user, account_id=account, mode="live", client_order_id=adopted_name(account, "mine"))
    path = "/api/orders/by-client-id"
    assert client.get(f"{path}/mine", headers=user.headers).get_json()["data"]["id"] == order
    assert_problem(client.get(f"{path}/yours", headers=user.headers), 404, "order_not_found")
    assert_problem(client.get(f"{path}/mine?account={user.account_id}", headers=user.headers), 404, "order_not_found")


def test_a_filled_order_shows_its_fee(client: FlaskClient, database: Database, user: SignedIn) -> None:
    order_id = add_order(
        database,
        user,
        status="filled",
        filled=Decimal("0.1"),
        average=Decimal("40000.10"),
        cost=Decimal("4000.01"),
        fee_currency="USDT",
        fee_cost=Decimal("4.00001"),
    )
    order = client.get(f"/api/orders/{order_id}", headers=user.headers).get_json()["data"]
    assert order["fee"] == {"currency": "USDT", "cost": "4.00001"}
    assert (order["remaining"], order["average"], order["created_at"]) == (
        "0",
        "40000.1",
        "2026-01-02T03:04:05.678901Z",
    )


def test_a_client_id_finds_the_newest_or_that_of_an_account(
    client: FlaskClient, database: Database, user: SignedIn
) -> None:
    second = add_account(database, user)
    old = add_order(database, user, client_order_id="same")
    new = add_order(
        database, user, client_order_id="same", account_id=second, created_at=MORNING + timedelta(seconds=1)
    )
    path = "/api/trading/orders/by-client-id/same"

    def found(**query: str) -> str:
        answer = client.get(path, query_string=query, headers=user.headers).get_json()
        return str(answer["data"]["id"])

    assert found() == found(account=second) == new
    assert found(account=user.account_id) == old


# ------------------------------------------------------------------------------------------------ changing


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_order_is_changed_and_canceled(client: FlaskClient, user: SignedIn, placed: str, prefix: str) -> None:
    path = f"{prefix}/{placed}"
    response = client.patch(path, json={"limit_price": "41000", "qty": 0.05}, headers=user.headers)
    assert response.status_code == 200
    edited = response.get_json()["data"]
    assert (edited["id"], edited["price"], edited["amount"]) == (placed, "41000", "0.05")
    response = client.delete(path, headers=user.headers)
    assert (response.status_code, response.get_json()["data"]["status"]) == (200, "canceled")
    assert_problem(client.delete(path, headers=user.headers), 409, "order_not_open")
    assert_problem(client.patch(path, json={"price": "41000"}, headers=user.headers), 409, "order_not_open")


BAD_CHANGES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", "required"),
    ({"price": None}, "", "required"),
    ({"side": "sell"}, "side", "unknown_field"),
    ({"price": "0"}, "price", "not_positive"),
    ({"amount": "0"}, "amount", "invalid_amount"),
    ({"amount": "5"}, "amount", "insufficient_funds"),
    ({"stop_price": "1"}, "stop_price", "not_editable"),
    ({"trailing_percent": "51"}, "trailing_percent", "out_of_range"),
    ({"price": "1", "limit_price": "2"}, "limit_price", "ambiguous"),
]


@pytest.mark.parametrize("case", BAD_CHANGES, ids=str)
def test_a_bad_change_is_refused(
    client: FlaskClient, user: SignedIn, placed: str, bridge: OctoBotBridge, case: tuple[dict[str, Any], str, str]
) -> None:
    body, field, code = case
    before = bridge.open_orders(user.account_id)
    response = client.patch(f"/api/orders/{placed}", json=body, headers=user.headers)
    problem = assert_problem(response, 422, response.get_json()["error_code"])
    assert fields(problem) == {(field, code)}
    assert bridge.open_orders(user.account_id) == before


def test_a_filled_order_cannot_be_changed(client: FlaskClient, user: SignedIn, database: Database, place: Post) -> None:
    order = keep_order(database, user, place(type="market").get_json()["data"])
    assert_problem(
        client.patch(f"/api/orders/{order}", json={"amount": "0.2"}, headers=user.headers), 409, "order_not_open"
    )
    assert_problem(client.delete(f"/api/orders/{order}", headers=user.headers), 409, "order_not_open")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_cancel_all_cancels_what_matches_on_every_account(
    client: FlaskClient, user: SignedIn, database: Database, place: Post, prefix: str
) -> None:
    second = add_account(database, user)
    here, there, stop = (
        keep_order(database, user, place(**body).get_json()["data"])
        for body in (
            {"amount": "0.01"},
            {"amount": "0.01", "account": second},
            {"type": "stop", "price": None, "stop_price": "55000", "symbol": "BTC/USDT", "amount": "0.01"},
        )
    )

    def canceled(**query: str) -> set[str]:
        response = client.delete(prefix, query_string=query, headers=user.headers)
        assert response.status_code == 200
        assert {row["status"] for row in response.get_json()["data"]} <= {"canceled"}
        return {row["id"] for row in response.get_json()["data"]}

    assert canceled(symbol="ETH-USDT") == set()
    assert canceled(side="sell") == set()
    assert canceled(account=second) == {there}
    assert canceled(symbol="btc-usdt", side="BUY") == {here, stop}
    assert canceled() == set()


def test_an_engine_that_is_away_is_told(client: FlaskClient, user: SignedIn, placed: str, engine: FakeEngine) -> None:
    engine.fail_with(EngineUnavailable("The engine cannot be reached.", retry_after=2))
    path = f"/api/orders/{placed}"
    for response in (
        client.patch(path, json={"amount": "0.2"}, headers=user.headers),
        client.delete(path, headers=user.headers),
        client.delete("/api/orders", headers=user.headers),
        client.get("/api/portfolio", headers=user.headers),
    ):
        assert_problem(response, 503, "engine_unavailable")
        assert response.headers["Retry-After"] == "2"
    # what is in SQL is still read
    assert ids(client, user, "/api/orders") == [placed]


# ------------------------------------------------------------------------------------------------ isolation


@pytest.fixture
def theirs(other: SignedIn, database: Database, bridge: OctoBotBridge) -> Order:
    """An open order of somebody else."""
    ticket = OrderTicket(symbol="BTC/USDT", side="buy", type="limit", amount=Decimal("0.1"), price=Decimal(40_000))
    order = bridge.place_order(PlaceOrder(actor=Actor(user_id=other.id), account=other.account_id, ticket=ticket))
    keep_order(database, other, order)
    return order


@pytest.mark.parametrize("prefix", PREFIXES)
def test_orders_of_others_do_not_exist(
    client: FlaskClient, user: SignedIn, theirs: Order, bridge: OctoBotBridge, prefix: str
) -> None:
    for order_id in (theirs.id, new_id(), "1", "..", "%00", "x" * 500, "' OR 1=1 --"):
        path = f"{prefix}/{order_id}"
        for response in (
            client.get(path, headers=user.headers),
            client.patch(path, json={"amount": "0.2"}, headers=user.headers),
            client.delete(path, headers=user.headers),
        ):
            assert response.status_code == 404, path
    assert_problem(client.get(f"{prefix}/{theirs.id}", headers=user.headers), 404, "order_not_found")
    client_id = f"{prefix}/by-client-id/{theirs.client_order_id}"
    assert_problem(client.get(client_id, headers=user.headers), 404, "order_not_found")
    assert_problem(client.get(f"{prefix}/by-client-id/%20", headers=user.headers), 404, "order_not_found")
    assert client.delete(prefix, headers=user.headers).get_json()["data"] == []
    assert bridge.open_orders(theirs.account) == [theirs]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/orders"),
        ("DELETE", "/api/orders"),
        ("GET", "/api/trading/trades"),
        ("GET", "/api/trading/positions"),
        ("GET", "/api/orders/by-client-id/x"),
        ("GET", "/api/portfolio"),
        ("GET", "/api/portfolio/balance"),
        ("GET", "/api/portfolio/positions"),
    ],
)
def test_accounts_of_others_do_not_exist(
    client: FlaskClient, user: SignedIn, other: SignedIn, method: str, path: str
) -> None:
    for account in (other.account_id, new_id(), "nonsense"):
        query = {"account": account}
        add = client.open(path, method=method, query_string=query, headers=user.headers)
        assert add.status_code == 404, path
        if path != "/api/orders/by-client-id/x":
            assert_problem(add, 404, "account_not_found")


def test_nobody_trades_on_the_account_of_others(place: Post, other: SignedIn, bridge: OctoBotBridge) -> None:
    assert_problem(place(account=other.account_id), 404, "account_not_found")
    assert_problem(place("/api/orders/preview", account=other.account_id), 404, "account_not_found")
    assert bridge.open_orders(other.account_id) == []


def test_lists_hold_nothing_of_others(client: FlaskClient, user: SignedIn, other: SignedIn, database: Database) -> None:
    theirs = add_order(database, other)
    add_trade(database, other, theirs)
    for path in ("/api/orders", *TRADES):
        assert ids(client, user, path) == []
        assert len(ids(client, other, path)) == 1
