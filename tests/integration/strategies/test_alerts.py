"""Alerts from outside: who may send them, what they do, and that they do it once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

import models
from config import Settings
from middleware import rate_limits
from models import Database
from tests.factories import SignedIn
from tests.integration.strategies.owner import Owner, eventually
from tests.problems import assert_problem

UNKNOWN = "A" * 43


@pytest.fixture
def key(ada: Owner) -> str:
    """The key of a running signal strategy."""
    ada.running("mine", strategy_class="signal", settings={"order_value": "100"}, funding="1000")
    made: str = ada.ok("POST", "mine/signal-keys")["key"]
    return made


def alert(ada: Owner, key: str, **body: Any) -> TestResponse:
    """Send an alert, as nobody in particular."""
    return ada.client.post(f"/api/webhooks/tradingview/{key}", json=body)


def test_buys_sells_and_closes(ada: Owner, key: str) -> None:
    [bought] = alert(ada, key, id="1", action="buy", symbol="BINANCE:BTCUSDT", price="61000.5").get_json()["data"]
    assert bought["status"] == "filled"
    [limit] = alert(ada, key, id="2", side="buy", qty="0.001", type="limit", price=40_000).get_json()["data"]
    assert limit["status"] == "accepted"
    [sold] = alert(ada, key, action="sell", amount="0.001").get_json()["data"]
    [closed] = alert(ada, key, action="close").get_json()["data"]
    assert (sold["status"], closed["status"]) == ("filled", "filled")
    orders = ada.orders()
    assert [order["id"] for order in orders] == [each["id"] for each in (bought, limit, sold, closed)]
    assert [order["side"] for order in orders] == ["buy", "buy", "sell", "sell"]
    assert all(order["client_order_id"].startswith("mine:alert:") for order in orders)
    assert not ada.differences()


def test_an_id_is_good_for_one_order_also_after_a_restart(ada: Owner, key: str) -> None:
    first = alert(ada, key, id="once", action="buy").get_json()["data"]
    assert alert(ada, key, id="once", action="buy").get_json()["data"] == first
    ada.host.stop()
    ada.host.start()
    ada.price(50_000)
    assert alert(ada, key, id="once", action="buy").get_json()["data"] == first
    assert len(ada.orders()) == 1
    assert alert(ada, key, action="buy").get_json()["data"] != first
    assert alert(ada, key, action="buy").get_json()["data"] != first
    assert len(ada.orders()) == 3


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"action": "buy", "quote_amount": "5000"}, 422, "insufficient_funds"),
        ({"action": "sell", "amount": "1"}, 422, "insufficient_funds"),
        ({"action": "close"}, 422, "invalid_amount"),
        ({"action": "buy", "symbol": "ETHUSDT"}, 422, "wrong_symbol"),
        ({"action": "hold"}, 422, "validation_failed"),
        ({"action": "buy", "type": "limit"}, 422, "validation_failed"),
        ({"action": "buy", "amount": "1", "quote_amount": "1"}, 422, "validation_failed"),
        ({"action": "sell", "quote_amount": "1"}, 422, "validation_failed"),
        ({}, 422, "validation_failed"),
    ],
)
def test_what_cannot_be_done_is_told_and_ends_nothing(
    ada: Owner, key: str, body: dict[str, Any], status: int, code: str
) -> None:
    assert_problem(alert(ada, key, **body), status, code)
    assert ada.get()["state"] == "running"
    assert ada.orders() == []


def test_keys_are_secret_and_can_be_taken_back(ada: Owner, key: str, database: Database) -> None:
    with database.read() as connection:
        stored = [str(value) for row in connection.execute(select(models.SignalKey.__table__)) for value in row]
    assert not any(key in value for value in stored)
    [listed] = ada.ok("GET", "mine/signal-keys")
    assert (listed["key"], listed["path"], listed["key_hint"]) == (None, None, key[-4:])
    other = ada.ok("POST", "mine/signal-keys")["key"]
    assert ada.ok("DELETE", f"mine/signal-keys/{listed['id']}") == {"id": listed["id"]}
    assert_problem(ada.send("DELETE", f"mine/signal-keys/{listed['id']}"), 404, "signal_key_not_found")
    for wrong in (key, UNKNOWN, "x"):
        assert_problem(alert(ada, wrong, action="buy"), 404, "signal_key_not_found")
    assert alert(ada, other, action="buy").status_code == 200


def test_those_that_do_not_run_take_none(ada: Owner, key: str) -> None:
    ada.ok("POST", "mine/stop")
    assert_problem(alert(ada, key, action="buy"), 409, "strategy_not_running")
    ada.running("grid")
    eventually(lambda: len(ada.open_names("grid")) == 6)
    grid_key = ada.ok("POST", "grid/signal-keys")["key"]
    assert_problem(alert(ada, grid_key, action="buy"), 409, "strategy_takes_no_alerts")


def test_a_kill_switch_holds_for_them(ada: Owner, key: str) -> None:
    ada.client.post("/api/trading/kill-switch", json={"scope": "user"}, headers=ada.user.headers)
    assert_problem(alert(ada, key, action="buy"), 422, "kill_switch")
    assert ada.orders() == []


def test_a_strategy_has_ten_keys_at_most(ada: Owner, key: str, other: SignedIn) -> None:
    for _ in range(9):
        ada.ok("POST", "mine/signal-keys")
    assert_problem(ada.send("POST", "mine/signal-keys"), 409, "too_many_keys")


class TestLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, rate_limit_enabled=True)

    def test_each_key_has_its_own(self, ada: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(rate_limits.ALERTS_PER_MINUTE):
            assert alert(ada, UNKNOWN, action="buy").status_code == 404, number
        limited = alert(ada, UNKNOWN, action="buy")
        assert_problem(limited, 429, "rate_limited")
        assert int(limited.headers["Retry-After"]) >= 1
        assert alert(ada, UNKNOWN[:-1] + "B", action="buy").status_code == 404
