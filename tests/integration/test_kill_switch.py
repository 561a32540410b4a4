"""Kill switches over HTTP, with the real engine: nothing new, everything open canceled, also through faults."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import models
from engine.journal.unit import Unit
from models import Database
from services.bot.records import BotRecords, Told
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn, audit_rows
from tests.failures import Failures
from tests.integration.bot.stage import resting
from tests.manual_market import ManualMarket
from tests.problems import assert_problem
from utils import clock
from utils.errors import Refused
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, OrderTicket, PlaceOrder

SWITCH, ORDERS = "/api/trading/kill-switch", "/api/trading/orders"
pytestmark = pytest.mark.usefixtures("steady")


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


@pytest.fixture
def failures(host: EngineHost) -> Failures:
    failures = Failures()
    failures.install(host.engine._journal)
    return failures


def place(client: FlaskClient, user: SignedIn, **body: Any) -> Any:
    full = {"symbol": SYMBOL, "side": "buy", "type": "limit", "amount": "0.001", "price": "40000", **body}
    return client.post(ORDERS, json=full, headers=user.headers)


def engage(client: FlaskClient, who: SignedIn, **body: Any) -> dict[str, Any]:
    response = client.post(SWITCH, json={"scope": "account", **body}, headers=who.headers)
    assert response.status_code == 200, response.get_json()
    state: dict[str, Any] = response.get_json()["data"]
    return state


def release(client: FlaskClient, user: SignedIn, query: str = "scope=account") -> Any:
    return client.delete(f"{SWITCH}?{query}", headers=user.headers)


def statuses(database: Database) -> list[str]:
    return [row.status for row in rows(database, models.Order)]


def test_engaged_it_refuses_and_cancels_until_released(
    client: FlaskClient, user: SignedIn, database: Database, host: EngineHost, engine_bridge: OctoBotBridge
) -> None:
    ids = [place(client, user).get_json()["data"]["id"] for _ in range(3)]
    state = engage(client, user, reason="enough")
    assert (state["engaged"], sorted(state["canceled"]), state["open"]) == (True, sorted(ids), [])
    assert (state["target"], state["engaged_by"], state["reason"]) == (user.account_id, user.id, "enough")
    assert statuses(database) == ["canceled"] * 3
    assert_problem(place(client, user), 422, "kill_switch")
    preview = client.post(
        f"{ORDERS}/preview", json={"symbol": SYMBOL, "side": "buy", "amount": "0.001"}, headers=user.headers
    )
    assert [c["code"] for c in preview.get_json()["data"]["checks"] if not c["ok"]] == ["kill_switch"]

    host.stop()
    host.start()
    assert_problem(place(client, user), 422, "kill_switch")
    [listed] = client.get(SWITCH, headers=user.headers).get_json()["data"]
    assert (listed["scope"], listed["target"], listed["reason"]) == ("account", user.account_id, "enough")

    again = engage(client, user)  # idempotent: the first one's reason stays
    assert (again["engaged_at"], again["reason"]) == (state["engaged_at"], "enough")
    assert release(client, user).get_json()["data"]["engaged"] is False
    assert release(client, user).status_code == 200
    assert client.get(SWITCH, headers=user.headers).get_json()["data"] == []
    assert place(client, user).status_code == 201
    done = [row for row in audit_rows(database) if row[0].startswith("kill_switch")]
    assert done == [("kill_switch.engage", "done", None), ("kill_switch.release", "done", None)]
    assert differences(database, engine_bridge) == []


def test_orders_that_the_repeated_sweep_cancels_first_are_told_of(
    client: FlaskClient, user: SignedIn, host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = place(client, user).get_json()["data"]["id"]
    switchboard, journal = host.engine._switchboard, host.engine._journal
    submit = journal.submit

    async def sweep_before(unit: Unit) -> None:
        for switch in switchboard._switches:
            await switchboard._sweep(switch, await switchboard._under(switch))
        await submit(unit)

    def slowly(unit: Unit) -> asyncio.Future[None]:
        return asyncio.ensure_future(sweep_before(unit)) if unit.switches else submit(unit)

    monkeypatch.setattr(journal, "submit", slowly)
    state = engage(client, user)
    assert (state["canceled"], state["open"]) == ([order], [])


def test_scopes_reach_as_far_as_they_say(
    client: FlaskClient, user: SignedIn, other: SignedIn, admin: SignedIn, database: Database
) -> None:
    for who in (user, other):
        place(client, who)
    assert len(engage(client, user, scope="user")["canceled"]) == 1
    assert_problem(place(client, user), 422, "kill_switch")
    assert place(client, other).status_code == 201
    assert len(engage(client, admin, scope="installation")["canceled"]) == 2
    assert_problem(place(client, other), 422, "kill_switch")
    assert {row["scope"] for row in client.get(SWITCH, headers=other.headers).get_json()["data"]} == {"installation"}
    assert release(client, admin, "scope=installation").status_code == 200
    assert place(client, other).status_code == 201
    assert_problem(place(client, user), 422, "kill_switch")
    assert set(statuses(database)) == {"canceled", "accepted"}


def test_what_an_admin_engaged_no_user_releases(
    client: FlaskClient, user: SignedIn, other: SignedIn, admin: SignedIn, database: Database
) -> None:
    assert_problem(client.post(SWITCH, json={"scope": "installation"}, headers=user.headers), 403, "forbidden")
    assert_problem(release(client, user, "scope=installation"), 403, "forbidden")
    theirs = {"scope": "account", "account": user.account_id}
    assert_problem(client.post(SWITCH, json=theirs, headers=other.headers), 404, "account_not_found")
    assert_problem(
        client.post(SWITCH, json={"scope": "user", "user": user.id}, headers=other.headers), 403, "forbidden"
    )
    assert_problem(
        client.post(SWITCH, json={"scope": "user", "user": "x"}, headers=admin.headers), 404, "user_not_found"
    )
    odd = {"scope": "installation", "account": user.account_id}
    assert_problem(client.post(SWITCH, json=odd, headers=admin.headers), 422, "validation_failed")

    engage(client, user, scope="user")  # the admin's comes on top of the user's own
    engage(client, admin, scope="user", user=user.id)
    engage(client, user, scope="user")
    assert_problem(release(client, user, "scope=user"), 403, "kill_switch_of_admin")
    assert_problem(place(client, user), 422, "kill_switch")
    assert ("kill_switch.release", "denied", "kill_switch_of_admin") in audit_rows(database)
    assert release(client, admin, f"scope=user&user={user.id}").status_code == 200
    assert place(client, user).status_code == 201


def test_triggers_and_limits_wait_under_an_engaged_switch(
    client: FlaskClient, user: SignedIn, database: Database, market: ManualMarket, host: EngineHost, failures: Failures
) -> None:
    place(client, user, type="stop", stop_price="51000", price=None)
    place(client, user, price="49000")
    failures.left = 10**6  # nothing is stored any more but the switch itself
    failures.but = lambda unit: bool(unit.switches)
    state = engage(client, user)
    assert (state["canceled"], len(state["open"])) == ([], 2)
    for price in (52_000, 48_000):
        market.set_price(SYMBOL, Decimal(price))
        host.tick(settle=False)
        time.sleep(0.2)
    failures.left = 0
    until = time.monotonic() + 30
    while set(statuses(database)) != {"canceled"} and time.monotonic() < until:
        time.sleep(0.1)
    assert statuses(database) == ["canceled", "canceled"]
    assert rows(database, models.Trade) == []


def test_what_was_open_when_the_engine_died_is_canceled_after_the_restart(
    client: FlaskClient, user: SignedIn, database: Database, host: EngineHost
) -> None:
    place(client, user)
    host.stop()
    with database.write() as session:  # as if the engine had died between the switch and the cancels
        session.add(
            models.KillSwitch(
                scope="user",
                target=user.id,
                engaged_by=user.id,
                reason=None,
                engaged_at=rows(database, models.Order)[0].created_at,
            )
        )
    host.start()
    until = time.monotonic() + 30
    while statuses(database) != ["canceled"] and time.monotonic() < until:
        time.sleep(0.1)
    assert statuses(database) == ["canceled"]


def test_five_hundred_orders_go_within_ten_seconds_and_none_slips_through(
    app: Flask, client: FlaskClient, user: SignedIn, database: Database, engine_bridge: OctoBotBridge
) -> None:
    ticket = OrderTicket(symbol=SYMBOL, side="buy", type="limit", amount=Decimal("0.0002"), price=Decimal(40_000))
    command = PlaceOrder(actor=Actor(user_id=user.id), account=user.account_id, ticket=ticket)
    for _ in range(500):
        engine_bridge.place_order(command)
    stopped = False

    def keep_placing(_: int) -> int:
        late = 0
        while not stopped:
            began = time.monotonic()
            try:
                engine_bridge.place_order(command)
            except Refused as refusal:
                assert refusal.code in {"kill_switch", "risk_max_open_orders"}
                if refusal.code == "kill_switch":
                    return late
            late += bool(engaged) and began > engaged[0]
        raise AssertionError("the switch refused nothing")

    engaged: list[float] = []
    with ThreadPoolExecutor(4) as pool:
        placing = [pool.submit(keep_placing, number) for number in range(4)]
        time.sleep(0.2)
        began = time.monotonic()
        state = engage(client, user)
        engaged.append(time.monotonic())
        took = engaged[0] - began
        late = [future.result(60) for future in placing]
        stopped = True
    assert late == [0, 0, 0, 0]
    assert took < 10
    assert (len(state["canceled"]), state["open"]) == (500, [])
    assert set(statuses(database)) == {"canceled"}
    assert differences(database, engine_bridge) == []


def test_a_key_makes_engaging_repeatable(client: FlaskClient, user: SignedIn) -> None:
    headers = {**user.headers, "Idempotency-Key": "k"}
    place(client, user)
    first = client.post(SWITCH, json={"scope": "account"}, headers=headers).get_json()
    release(client, user)
    place(client, user)
    assert client.post(SWITCH, json={"scope": "account"}, headers=headers).get_json() == first
    assert place(client, user).status_code == 201  # answered, not carried out again
    other_body = client.post(SWITCH, json={"scope": "user"}, headers=headers)
    assert_problem(other_body, 422, "idempotency_key_reused")


def test_that_of_the_installation_names_what_a_stopped_bot_left(
    client: FlaskClient, admin: SignedIn, database: Database
) -> None:
    bot = BotRecords(database, autostart=False)
    bot.leave([resting("one"), resting("two")])
    bot.tell(Told(state="running", since=clock.now(), number=1))
    assert engage(client, admin, scope="installation")["left_orders"] == []  # it runs: it cancels them
    bot.tell(Told(state="stopped", since=clock.now(), number=1))
    left = engage(client, admin, scope="installation")["left_orders"]
    assert [each["exchange_order_id"] for each in left] == ["at-binance-one", "at-binance-two"]
    assert release(client, admin, "scope=installation").status_code == 200
    assert engage(client, admin)["left_orders"] == []
