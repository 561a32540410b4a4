"""A strategy that fails is stopped, says why, and takes nobody with it."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from contextlib import suppress
from decimal import Decimal

import pytest

import models
from engine.desk.desk import Desk
from engine.strategies import registry, runner, thinking
from engine.strategies.hand import DeskHand
from engine.strategies.runner import Runner
from engine.strategies.view import Remember
from tests.books import rows
from tests.failures import Failures
from tests.integration.strategies.faulty import FAULT, Faulty
from tests.integration.strategies.owner import Owner, eventually
from utils.wire import PlaceOrder


@pytest.fixture(autouse=True)
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.kinds(), "faulty", Faulty)


def fail(ada: Owner, fault: str, name: str = "bad") -> None:
    """Let a strategy fail after its first turn."""
    ada.running(name, strategy_class="faulty", settings={"fault": fault}, funding="1000")
    eventually(lambda: ada.get(name)["state"] == "error", lambda: ada.story(name))


def test_one_that_raises_ends_with_its_orders_canceled_and_its_money_kept(ada: Owner) -> None:
    ada.running("good")
    fail(ada, "raise")
    failed = ada.get("bad")
    assert (failed["error_code"], failed["error"]) == ("strategy_failed", f"ZeroDivisionError: {FAULT}")
    assert [(order["client_order_id"], order["status"]) for order in ada.orders("bad")] == [
        ("bad:far:1", "canceled"),
        ("bad:near:0", "filled"),
    ]
    assert ada.balance(failed["account"])["BTC"] == Decimal("0.001")
    [entry] = ada.ok("GET", "bad/log?level=error")
    assert ada.log("bad")[-1] == entry["message"]
    assert FAULT in entry["message"]
    assert ada.events(failed["account"])[-1] == "strategy"
    eventually(lambda: len(ada.open_names("good")) == 6)
    assert ada.get("good")["state"] == "running"
    assert not ada.differences()
    assert ada.ok("POST", "bad/stop")["state"] == "stopped"
    assert ada.balance(failed["account"]) == {}
    assert (ada.get("bad")["error"], ada.get("bad")["error_code"]) == (None, None)


def test_one_that_never_decides_is_told_and_holds_up_nobody(ada: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinking, "DECISION_SECONDS", 4.0)
    ada.running("bad", strategy_class="faulty", settings={"fault": "block"}, funding="1000")
    eventually(lambda: len(ada.orders("bad")) == 2)
    answered = 0
    while ada.get("bad")["state"] == "running":
        ada.balance()  # by the engine, whose loop would hang with the strategy
        answered += 1
    assert answered >= 3
    failed = ada.get("bad")
    assert (failed["state"], failed["error_code"]) == ("error", "strategy_blocked")
    assert ada.orders("bad", "open") == []
    # the thread was interrupted
    eventually(lambda: not [each for each in threading.enumerate() if each.name == "strategy"])


def test_orders_that_cannot_be_paid_are_told_and_the_strategy_goes_on(ada: Owner) -> None:
    ada.running("bad", strategy_class="faulty", settings={"fault": "overspend"}, funding="1000")
    [entry] = eventually(lambda: ada.ok("GET", "bad/log?level=warning"))
    assert "The order needs" in entry["message"]
    assert ada.get("bad")["state"] == "running"
    fail(ada, "overspend_vitally", "worse")
    assert ada.get("worse")["error_code"] == "insufficient_funds"


def test_a_kill_switch_ends_it(ada: Owner) -> None:
    account = ada.running("mine")["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    switch = {"scope": "account", "account": account}
    answer = ada.client.post("/api/trading/kill-switch", json=switch, headers=ada.user.headers)
    assert answer.status_code == 200
    eventually(lambda: ada.get()["state"] == "error")
    assert ada.get()["error_code"] == "kill_switch"
    assert ada.orders(status="open") == []
    ada.client.delete(f"/api/trading/kill-switch?scope=account&account={account}", headers=ada.user.headers)
    assert ada.ok("POST", "mine/start")["state"] == "running"
    eventually(lambda: len(ada.open_names()) == 6)
    assert not ada.differences()


@pytest.mark.parametrize("kind", ["away", "after"])
def test_commits_that_fail_delay_it_alone(ada: Owner, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "engine")
    failures = Failures()
    failures.install(ada.host.engine._journal)
    failures.kind = kind  # type: ignore[assignment]
    ada.running(settings={"levels": 10, "spacing_percent": "1"})
    for _ in range(5):
        eventually(lambda: failures.left == 0)
        failures.left = 1
    eventually(lambda: failures.left == 0)
    eventually(lambda: len(ada.open_names()) == 20, ada.story)
    ada.price(49_400)
    eventually(lambda: "mine:down1:1-1" in ada.open_names())
    names = [order["client_order_id"] for order in ada.orders()]
    assert len(names) == len(set(names)) == 22
    assert not ada.differences()


def test_what_it_asks_to_keep_is_asked_again_when_it_was_not_stored(ada: Owner) -> None:
    failures = Failures()
    failures.install(ada.host.engine._journal)
    failures.but = lambda unit: unit.strategy.keys() != {"id", "memory"}
    failures.left = 1
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    assert failures.left == 0
    [stored] = rows(ada.database, models.Strategy)
    assert json.loads(stored.memory) == ada.host.engine.strategies._runners[account].record.memory
    assert json.loads(stored.memory)["anchor"] == "50000"


def test_a_turn_that_was_lost_places_nothing_once_it_is_stopped(ada: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    come_back, came_back, placed = threading.Event(), threading.Event(), []

    async def lose(_hand: DeskHand, _step: Remember) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.to_thread(come_back.wait, 60)
        came_back.set()

    async def place(_desk: Desk, command: PlaceOrder) -> None:
        placed.append(command)

    monkeypatch.setattr(runner, "TURN_SECONDS", 0.2)
    monkeypatch.setattr(runner, "RETRY_SECONDS", (60.0,))
    monkeypatch.setattr(DeskHand, "remember", lose)
    monkeypatch.setattr(Desk, "place", place)
    account = ada.running()["account"]
    running = ada.host.engine.strategies._runners[account]
    assert isinstance(running, Runner)
    octobot = ada.host.run(ada.host.engine._accounts.get(account)).octobot
    eventually(lambda: running._failures == 1)
    ada.ok("POST", "mine/stop")
    assert octobot._manager.trading_modes == []
    come_back.set()
    eventually(came_back.is_set)
    ada.host.run(asyncio.sleep(0.1))
    assert placed == []


def test_transfers_that_are_not_stored_leave_both_books_alone(ada: Owner) -> None:
    added = ada.add()
    assert ada.balance(added["account"]) == {}
    failures = Failures()
    failures.install(ada.host.engine._journal)
    failures.left = 1
    assert ada.send("POST", "mine/init").status_code == 503
    eventually(lambda: ada.balance() == {"USDT": Decimal(10_000)})
    assert ada.balance(added["account"]) == {}
    assert ada.get()["state"] == "created"
    assert not ada.differences()
    ada.ok("POST", "mine/init")
    assert ada.balance() == {"USDT": Decimal(5_000)}
    assert not ada.differences()
