"""Batches over HTTP, with the real engine: each order has its own outcome, and a repetition doubles none."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import models
from engine.desk.desk import Desk
from models import Database
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.failures import Failures
from tests.problems import MEMBERS, assert_problem, fields
from tests.streamer_host import until
from utils import wire
from utils.octobot_bridge import OctoBotBridge

BATCH = "/api/trading/orders/batch"
pytestmark = pytest.mark.usefixtures("steady")


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


def order(**body: Any) -> dict[str, Any]:
    full = {"symbol": SYMBOL, "side": "buy", "type": "limit", "amount": "0.001", "price": "40000", **body}
    return {name: value for name, value in full.items() if value is not None}


def post(client: FlaskClient, user: SignedIn, *orders: Any, key: str | None = None) -> Any:
    headers = {**user.headers, **({"Idempotency-Key": key} if key else {})}
    return client.post(BATCH, json={"orders": list(orders)}, headers=headers)


def results(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 207, response.get_json()
    found: list[dict[str, Any]] = response.get_json()["data"]
    return found


def test_each_order_has_its_own_outcome(
    client: FlaskClient, user: SignedIn, other: SignedIn, database: Database, engine_bridge: OctoBotBridge
) -> None:
    response = post(
        client, user,
        order(),
        order(amount="1"),
        order(amount="x", side="hold"),
        "no order",
        order(account=other.account_id),
        order(type="market", price=None),
        order(client_order_id="twice"),
        order(client_order_id="twice"),
    )  # fmt: skip
    found = results(response)
    assert [(each["status"], each.get("error", {}).get("error_code")) for each in found] == [
        (201, None), (422, "insufficient_funds"), (422, "validation_failed"), (422, "validation_failed"),
        (404, "account_not_found"), (201, None), (201, None), (409, "duplicate_client_order_id"),
    ]  # fmt: skip
    assert found[0]["data"]["status"] == "accepted"
    assert found[5]["data"]["status"] == "filled"
    assert set(found[1]["error"]) == MEMBERS
    assert fields(found[2]["error"]) == {("amount", "invalid_number"), ("side", "invalid")}
    assert all(("data" in each) != ("error" in each) for each in found)
    assert len(rows(database, models.Order)) == 3
    assert differences(database, engine_bridge) == []


@pytest.mark.parametrize("orders", [[], None, "x", [order()] * 51])
def test_what_is_no_batch_places_nothing(client: FlaskClient, user: SignedIn, database: Database, orders: Any) -> None:
    response = client.post(BATCH, json={"orders": orders}, headers=user.headers)
    assert_problem(response, 422, "validation_failed")
    assert rows(database, models.Order) == []


def test_a_repeated_batch_is_answered_with_the_same_orders(
    client: FlaskClient, user: SignedIn, other: SignedIn, database: Database
) -> None:
    batch = [order(), order(amount="1"), order(amount="x"), order(price="41000")]
    first = results(post(client, user, *batch, key="k"))
    again = results(post(client, user, *batch, key="k"))
    assert [each.get("data") for each in again] == [each.get("data") for each in first]
    assert [each["status"] for each in again] == [each["status"] for each in first] == [201, 422, 422, 201]
    assert len(rows(database, models.Order)) == 2
    assert_problem(post(client, user, *batch[:3], key="k"), 422, "idempotency_key_reused")
    single = client.post("/api/orders", json=order(), headers={**user.headers, "Idempotency-Key": "k"})
    assert_problem(single, 422, "idempotency_key_reused")
    assert len(results(post(client, other, *batch, key="k"))) == 4  # a key belongs to one user
    assert len(rows(database, models.Order)) == 4


def test_a_batch_killed_half_way_is_completed_and_nothing_doubled(
    client: FlaskClient, user: SignedIn, host: EngineHost, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [order(price=str(40_000 + number)) for number in range(6)]
    place, placed = Desk.place, 0

    async def dying(self: Desk, command: wire.PlaceOrder) -> wire.Order:
        nonlocal placed
        if placed == 3:
            raise asyncio.CancelledError  # as a killed process: the rest of the batch never happens
        placed += 1
        return await place(self, command)

    with monkeypatch.context() as patched:
        patched.setattr(Desk, "place", dying)
        patched.setattr("services.trading.orders.BATCH_SECONDS", 3.0)
        assert post(client, user, *batch, key="k").status_code in {503, 504}
        until(lambda: len(rows(database, models.Order)) == 3)
    host.stop()
    host.start()
    assert_problem(post(client, user, *batch[:5], key="k"), 422, "idempotency_key_reused")
    assert [each["status"] for each in results(post(client, user, *batch, key="k"))] == [201] * 6
    assert sorted(row.price for row in rows(database, models.Order)) == [40_000 + number for number in range(6)]


def test_orders_that_were_not_stored_may_be_tried_again_with_the_key(
    client: FlaskClient, user: SignedIn, host: EngineHost, database: Database
) -> None:
    failures = Failures()
    failures.install(host.engine._journal)
    failures.left, failures.but = 1, lambda unit: not unit.orders
    batch = [order(), order(price="41000")]
    first = results(post(client, user, *batch, key="k"))
    assert first[0]["status"] == 503
    until_there = [each["status"] for each in results(post(client, user, *batch, key="k"))]
    assert until_there == [201, 201]
    assert len(rows(database, models.Order)) == 2


def test_batches_with_one_key_at_once_make_one(app: Flask, user: SignedIn, database: Database) -> None:
    batch = [order(price=str(40_000 + number)) for number in range(5)]

    def send(_: int) -> list[str]:
        return [each["data"]["id"] for each in results(post(app.test_client(), user, *batch, key="k"))]

    with ThreadPoolExecutor(8) as pool:
        ids = {tuple(found) for found in pool.map(send, range(16))}
    assert len(ids) == 1
    assert len(rows(database, models.Order)) == 5
