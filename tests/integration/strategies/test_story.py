"""A strategy's log tells who brought it into which state, what ended it, and when it went on."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from sqlalchemy import select, update

import models
from engine.strategies import registry
from engine.strategies.story import CONNECTED, STOPPING
from tests.factories import with_key
from tests.failures import Failures
from tests.integration.strategies.faulty import FAULT, Faulty
from tests.integration.strategies.owner import Owner, eventually

FUNDED = ["Initialized by its owner, with 5000 USDT of its parent account.", "Started by its owner."]
EDITED = "Edited by its owner (levels); it goes on with its settings as they are now."
GONE = "its open orders were canceled, and all it held went back to its parent account."


def test_who_did_what_is_read_there(ada: Owner, app: Flask) -> None:
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    ada.ok("PATCH", "mine", settings={"levels": 2, "spacing_percent": "1"})
    headers = with_key(app, ada.user, "trade")
    assert ada.client.post("/api/strategies/mine/stop", headers=headers).status_code == 200
    told = [*FUNDED, EDITED, f"Stopped by an API key of its owner; {GONE}"]
    assert ada.log() == told
    ada.ok("PATCH", "mine", settings={"order_value": "50"}, funding="1000.50")
    ada.ok("POST", "mine/start")
    ada.ok("POST", "mine/stop")
    ada.ok("DELETE", "mine/remove")
    ada.ok("POST", "restore", strategy_name="mine")
    assert ada.log()[4:] == [
        "Edited by its owner (order_value, funding).",
        "Started by its owner, with 1000.5 USDT of its parent account.",
        f"Stopped by its owner; {GONE}",
        "Removed by its owner.",
        "Restored by its owner.",
    ]
    # why comes before what, for whoever follows the account
    with ada.database.read() as connection:
        query = select(models.Event.type, models.Event.payload).where(models.Event.account_id == account)
        rows = connection.execute(query.where(models.Event.type.like("strategy%")).order_by(models.Event.id)).all()
    assert [row.type for row in rows] == ["strategy_log", "strategy"] * 9
    assert json.loads(rows[-2].payload)["message"] == "Restored by its owner."
    ada.ok("DELETE", "mine/delete")
    with ada.database.read() as connection:
        assert connection.execute(select(models.StrategyLogEntry.id)).all() == []


def test_what_was_refused_or_repeated_is_not_told(ada: Owner) -> None:
    ada.add(funding="20000")
    assert ada.send("POST", "mine/init").status_code == 422
    assert ada.send("POST", "mine/stop").status_code == 409
    for _ in range(2):
        ada.ok("PATCH", "mine", settings={}, funding="5000")
    for _ in range(2):
        assert ada.send("POST", "mine/init", key="once").status_code == 200
    assert ada.log() == ["Edited by its owner (funding).", "Edited by its owner (nothing new).", FUNDED[0]]


def test_why_it_ended_is_told_once_however_often_it_had_to_be_stored(
    ada: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.kinds(), "faulty", Faulty)
    monkeypatch.setattr("engine.strategies.strategies.RETRY_SECONDS", 0.05)
    failures = Failures()
    failures.install(ada.host.engine._journal)
    failures.but = lambda unit: unit.strategy.get("state") != "error"
    failures.left = 1
    ada.running(strategy_class="faulty", settings={"fault": "raise"})
    eventually(lambda: ada.get()["state"] == "error", ada.story)
    assert failures.left == 0
    said = f"Ended in error, its open orders canceled: strategy_failed: ZeroDivisionError: {FAULT}"
    assert ada.log() == [*FUNDED, said]
    ada.ok("POST", "mine/stop")
    assert ada.log()[3:] == [f"Stopped by its owner; {GONE}"]


def test_a_kill_switch_is_named(ada: Owner) -> None:
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    switch = {"scope": "account", "account": account, "reason": "a bug"}
    ada.client.post("/api/trading/kill-switch", json=switch, headers=ada.user.headers)
    eventually(lambda: ada.get()["state"] == "error", ada.story)
    [entry] = ada.ok("GET", "mine/log?level=error")
    assert entry["message"].startswith("Ended in error, its open orders canceled: kill_switch: ")


def test_that_it_waits_for_its_exchange_and_goes_on_is_told(ada: Owner) -> None:
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    row = models.Account
    ada.host.stop()
    with ada.database.write() as session:
        session.execute(update(row).where(row.id == account).values(exchange="nowhere"))
    ada.host.start()
    with ada.database.write() as session:
        session.execute(update(row).where(row.id == account).values(exchange="demo"))
    ada.host.run(ada.host.engine.strategies.load())
    ada.host.run(ada.host.engine.strategies.load())  # it runs already
    assert ada.log() == [*FUNDED, STOPPING, "Waits: nowhere is not connected.", CONNECTED]
