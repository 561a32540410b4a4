"""Strategies of installed trading modes: a process of their own, at the engine as their exchange."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from config import Settings
from engine.strategies.foreign import runner
from engine.strategies.foreign.runner import ForeignRunner
from tests.integration.strategies.owner import Owner, eventually
from tests.integration.strategies.peg import DEFAULTS, SCHEMA, install_peg
from tests.problems import assert_problem
from utils import part
from utils.errors import Refused
from utils.home import Home
from utils.wire import Actor, Order, OrderTicket, PlaceOrder

PATIENCE = 120.0
"""OctoBot takes seconds to import, many of them on a busy machine."""
PEG: dict[str, Any] = {
    "strategy_class": "PegTradingMode",
    "settings": {"buy_price": 49000.5, "sell_price": "51000", "amount": 0.02},
}
FUNDING = Decimal(5000)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Install the mode before there is an engine; one process may run."""
    install_peg(Home(settings.octobot_home))
    return replace(settings, max_strategy_processes=1)


def test_live_over_processes_that_die_or_hang_and_a_killed_engine(ada: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    account = ada.running(**PEG)["account"]
    (bought,) = _orders(ada, 1)
    assert (bought["side"], bought["type"], bought["status"]) == ("buy", "limit", "accepted")
    assert (Decimal(bought["price"]), Decimal(bought["amount"])) == (Decimal("49000.5"), Decimal("0.02"))
    assert bought["client_order_id"].startswith("mine:order:")
    # one process may run; the other strategy keeps its state and its money
    ada.add("other", **PEG)
    ada.ok("POST", "other/init")
    assert_problem(ada.send("POST", "other/start"), 409, "too_many_processes")
    assert ada.get("other")["state"] == "initialized"
    _started(ada, 1)
    # an order that is asked for again under its name is the one that there is
    again = _ask_for(ada, account, bought["client_order_id"].removeprefix("mine:order:"))
    assert again.id == bought["id"]
    # the next process goes on with the order that is open
    os.kill(_pid(ada, account), signal.SIGKILL)
    _started(ada, 2)
    ada.price(49_000)
    sold = _orders(ada, 2, also=lambda orders: orders[1]["status"] == "accepted")[1]
    assert (sold["side"], Decimal(sold["price"])) == ("sell", Decimal(51_000))
    # an engine that comes back runs it again, and asks for nothing twice
    ada.host.stop()
    ada.host.start()
    _started(ada, 3)
    # one that falls silent is killed, and another one goes on
    hung = _fall_silent(ada, account, monkeypatch)
    _started(ada, 4)
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)
    ada.price(51_001)
    assert [order["status"] for order in _orders(ada, 2)] == ["filled", "filled"]
    ended = _pid(ada, account)
    # whoever may not trade any more has failed
    ada.client.post("/api/trading/kill-switch", json={"scope": "account", "account": account}, headers=ada.user.headers)
    with pytest.raises(Refused, match="kill switch"):
        _ask_for(ada, account, "another")
    eventually(lambda: ada.get()["error_code"] == "kill_switch", ada.story, PATIENCE)
    assert ada.ok("POST", "mine/stop")["state"] == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(ended, 0)
    assert ada.balance(account) == {}
    assert ada.balance()["USDT"] > 10_000 - FUNDING
    assert ada.differences() == []


@pytest.mark.parametrize("breaks", ["at_start", "at_fill"])
def test_end_in_error_when_their_code_fails(ada: Owner, breaks: str) -> None:
    account = ada.running(**{**PEG, "settings": {**PEG["settings"], "breaks": breaks}})["account"]
    if breaks == "at_fill":
        _orders(ada, 1)
        ada.price(49_000)
    failed = eventually(lambda: (found := ada.get())["state"] == "error" and found, ada.story, PATIENCE)
    assert (failed["error_code"], failed["error"]) == ("strategy_failed", "ValueError: the peg is broken")
    assert ada.orders(status="open") == []
    assert account not in ada.host.engine.strategies._runners
    # its place is free again
    ada.ok("POST", "mine/stop")
    assert ada.ok("POST", "mine/start")["state"] == "running"
    assert ada.differences() == []


def test_five_deaths_in_a_row_end_them(ada: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "RESTART_DELAYS", (0.0,))
    account = ada.running(**PEG)["account"]

    def kill_each() -> bool:
        running = _runner(ada, account)
        process = None if running is None else running._part._process
        if process is not None:
            process.send_signal(signal.SIGKILL)
        return bool(ada.get()["state"] == "error")

    eventually(kill_each, ada.story, PATIENCE)
    _assert_given_up(ada, account, "killed by SIGKILL")
    # its place is free again, and its money is there
    ada.ok("POST", "mine/stop")
    assert ada.balance()["USDT"] == 10_000
    assert ada.ok("POST", "mine/start")["state"] == "running"


def test_those_that_hang_at_each_start_are_given_up_too(ada: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "RESTART_DELAYS", (0.0,))
    monkeypatch.setattr(runner, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(runner, "LOOK_SECONDS", 0.1)
    # silent for longer than a steady process has to live; what it never says does not count as its life
    monkeypatch.setattr(runner, "STEADY_SECONDS", 0.2)
    monkeypatch.setattr(runner, "COMMAND", [sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    account = ada.running(**PEG)["account"]
    eventually(lambda: ada.get()["state"] == "error", ada.story, PATIENCE)
    _assert_given_up(ada, account, r"it asked nothing for \d+ s and was killed")


def _assert_given_up(ada: Owner, account: str, reason: str) -> None:
    failed = ada.get()
    assert failed["error_code"] == "strategy_process_ended"
    assert re.fullmatch(rf"Its process ended 5 times in a row; at last: {reason}\.", failed["error"])
    *ended, last = ada.log()[2:]
    assert len(ended) == 4
    assert all(re.fullmatch(rf"Its process ended \({reason}\) and is started again\.", said) for said in ended), ended
    assert last == f"Ended in error, its open orders canceled: strategy_process_ended: {failed['error']}"
    assert account not in ada.host.engine.strategies._runners


def test_are_listed_with_the_schema_of_their_settings(ada: Owner) -> None:
    classes = {each["name"]: each for each in ada.ok("GET", "meta/strategy-classes")}
    assert list(classes)[:2] == ["crossover", "dca"]
    peg = classes["PegTradingMode"]
    assert (peg["origin"], peg["description"]) == ("tentacles", "Buys low, sells high.")
    assert (peg["settings"], peg["defaults"], peg["basket"]) == (SCHEMA, DEFAULTS, True)


@pytest.mark.parametrize(
    ("wanted", "code", "field"),
    [
        ({"settings": {"buy_price": 1}}, "invalid_settings", "settings"),
        ({"settings": {**PEG["settings"], "amount": "much"}}, "invalid_settings", "settings.amount"),
        ({"settings": {**PEG["settings"], "colour": 1}}, "invalid_settings", "settings.colour"),
        ({"strategy_class": "tentacles:Nothing"}, "unknown_strategy_class", "strategy_class"),
        ({"portfolio_name": "ETH/BTC"}, "wrong_quote_currency", "portfolio_name"),
    ],
)
def test_what_does_not_fit_is_refused(ada: Owner, wanted: dict[str, Any], code: str, field: str) -> None:
    body = {"portfolio_name": "BTC/USDT", "funding": "5000", **PEG, **wanted}
    problem = assert_problem(ada.send("POST", "", **body), 422, code)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert ada.ok("GET", "") == []


def test_have_a_name_with_and_without_their_origin(ada: Owner) -> None:
    added = ada.add(**{**PEG, "strategy_class": "tentacles:PegTradingMode"})
    assert added["strategy_class"] == "PegTradingMode"
    assert added["settings"] == {"buy_price": 49000.5, "sell_price": 51000, "amount": 0.02, "breaks": "never"}
    edited = ada.ok("PATCH", "mine", settings={"amount": 0.03})
    assert edited["settings"] == {**added["settings"], "amount": 0.03}
    assert_problem(ada.send("PATCH", "mine", settings={"amount": 0}), 422, "invalid_settings")


def test_are_not_played_on_recorded_candles(ada: Owner) -> None:
    body = {
        "strategy_class": "PegTradingMode",
        "settings": PEG["settings"],
        "exchange": "demo",
        "symbols": ["BTC/USDT"],
        "timeframe": "1h",
        "starting_portfolio": {"USDT": "1000"},
    }
    answer = ada.client.post("/api/backtesting/runs", json=body, headers=ada.user.headers)
    assert_problem(answer, 422, "no_backtests")


def _orders(ada: Owner, count: int, also: Any = bool) -> list[Any]:
    """Return the strategy's orders once there are so many that also are as they should be; never more of them."""
    eventually(lambda: len(orders := ada.orders()) >= count and also(orders), ada.story, PATIENCE)
    found = ada.orders()
    assert len(found) == count, ada.story()
    return found


def _ask_for(ada: Owner, account: str, name: str) -> Order:
    """Ask for an order as the strategy's process does."""
    ticket = OrderTicket(
        symbol="BTC/USDT", side="buy", type="limit", amount=Decimal("0.02"), price=Decimal(40_000), client_order_id=name
    )
    running = _runner(ada, account)
    assert running is not None
    handlers = running._clerk.handlers()
    placed: Order = ada.host.run(handlers[PlaceOrder](PlaceOrder(actor=Actor(user_id=""), account="", ticket=ticket)))
    return placed


def _runner(ada: Owner, account: str) -> ForeignRunner | None:
    found = ada.host.engine.strategies._runners.get(account)
    assert isinstance(found, ForeignRunner | None)
    return found


def _pid(ada: Owner, account: str) -> int:
    running = _runner(ada, account)
    assert running is not None
    assert running._part.pid is not None
    return running._part.pid


def _fall_silent(ada: Owner, account: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Have its process hang until it is killed for it, and return which one that was."""
    running, patience = _runner(ada, account), runner.SILENT_SECONDS
    assert running is not None
    kill, hung = running._part.kill, _pid(ada, account)

    def kill_it(**heard: float | None) -> None:
        # there is patience with the next one again, which is silent while it imports OctoBot
        monkeypatch.setattr(runner, "SILENT_SECONDS", patience)
        kill(**heard)

    monkeypatch.setattr(running._part, "kill", kill_it)
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr(runner, "SILENT_SECONDS", 0.5)
    eventually(lambda: any("it asked nothing for" in said for said in ada.log()), ada.story, PATIENCE)
    return hung


def _started(ada: Owner, times: int) -> None:
    """Wait until its processes have begun so many times."""
    said = "PegProducer: the peg stands"
    eventually(
        lambda: [entry["message"] for entry in ada.ok("GET", "mine/log")].count(said) == times, ada.story, PATIENCE
    )
