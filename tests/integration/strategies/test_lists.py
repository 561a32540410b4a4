"""What is told of strategies: lists, classes, holdings, updates, performance and logs."""

from __future__ import annotations

import json
from decimal import Decimal

import jsonschema
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

import models
from tests.factories import SignedIn
from tests.integration.strategies.owner import Owner, eventually

CLASSES = ["crossover", "dca", "grid", "index", "rsi", "signal"]


def test_classes_come_with_a_schema_and_defaults_that_fit_it(ada: Owner) -> None:
    classes = ada.ok("GET", "meta/strategy-classes")
    assert [each["name"] for each in classes] == CLASSES
    for each in classes:
        jsonschema.Draft202012Validator.check_schema(each["settings"])
        validator = jsonschema.Draft202012Validator(each["settings"])
        validator.validate(each["defaults"])
        assert not validator.is_valid({**each["defaults"], "unknown": 1})
        assert each["description"], each["name"]
        basket = "BTC/USDT,ETH/USDT" if each["basket"] else "BTC/USDT"
        added = ada.add(
            each["name"], strategy_class=f"house:{each['name']}", portfolio_name=basket, settings={}, funding="1"
        )
        assert added["settings"] == each["defaults"]
        assert added["strategy_class"] == each["name"]


def test_pages_hold_all_once(ada: Owner) -> None:
    for name in ("a", "b", "c"):
        ada.add(name, funding="1")
    ada.ok("DELETE", "b/remove")
    seen = []
    path = "?limit=1"
    while path:
        answer = ada.send("GET", path).get_json()
        seen += [each["name"] for each in answer["data"]]
        cursor = answer["pagination"]["next_cursor"]
        path = f"?limit=1&cursor={cursor}" if cursor else ""
    assert seen == ["a", "c"]
    assert [each["name"] for each in ada.ok("GET", "meta/removed-strategies")] == ["b"]
    assert [each["name"] for each in ada.ok("GET", "?state=created")] == ["a", "c"]


def test_portfolios_are_named_and_summed(ada: Owner, client: FlaskClient) -> None:
    names = ada.ok("GET", "meta/portfolios")
    assert {"name": "BTC/USDT", "exchange": "demo", "base": "BTC", "quote": "USDT"} in names
    assert not any(":" in each["name"] for each in names)
    for name in ("one", "two"):
        ada.running(name, strategy_class="dca", settings={"order_value": "100", "timeframe": "1d"}, funding="1000")
        eventually(lambda name=name: len(ada.orders(name)) == 1)  # type: ignore[misc]
    ada.add("other", strategy_class="dca", portfolio_name="ETH/USDT", settings={})
    data = client.get("/api/data/portfolios", headers=ada.user.headers).get_json()["data"]
    assert [(each["name"], each["strategies"]) for each in data] == [
        ("BTC/USDT", ["one", "two"]),
        ("ETH/USDT", ["other"]),
    ]
    held = {each["currency"]: Decimal(each["amount"]) for each in data[0]["currencies"]}
    one = ada.balance(ada.get("one")["account"])
    assert held == {currency: 2 * amount for currency, amount in one.items()}
    holdings = {each["strategy"]: each for each in ada.ok("GET", "holdings")}
    assert Decimal(data[0]["value"]) == sum(Decimal(holdings[name]["value"]) for name in ("one", "two"))
    assert Decimal(holdings["one"]["profit"]) < 0
    assert holdings["other"]["currencies"] == []


def test_updates_tell_each_state_once(ada: Owner, other: SignedIn) -> None:
    start = ada.ok("GET", "updates")
    assert start["updates"] == []
    ada.running()
    eventually(lambda: len(ada.open_names()) == 6)
    ada.ok("POST", "mine/stop")
    told = ada.ok("GET", f"updates?since_id={start['last_id']}")
    assert [each["strategy"]["state"] for each in told["updates"]] == ["initialized", "running", "stopped"]
    assert [each["id"] for each in told["updates"]] == sorted(each["id"] for each in told["updates"])
    assert ada.ok("GET", f"updates?since_id={told['last_id']}")["updates"] == []
    assert ada.ok("GET", f"updates?since_id={told['updates'][1]['id']}")["updates"] == told["updates"][2:]
    # one that nobody has seen yet can only be of a lost past
    lost = ada.ok("GET", f"updates?since_id={told['last_id'] + 1}")
    assert (lost["last_id"], [each["type"] for each in lost["updates"]]) == (told["last_id"], ["reset"])
    ada.user = other
    assert ada.ok("GET", "updates?since_id=0")["updates"] == []


@pytest.mark.parametrize("period", ["1d", "all"])
def test_performance_is_the_strategys_own(ada: Owner, period: str) -> None:
    ada.running("mine", strategy_class="dca", settings={"order_value": "100", "timeframe": "1d"}, funding="1000")
    eventually(lambda: len(ada.orders()) == 1)
    ada.price(55_000)
    told = ada.ok("GET", f"mine/performance?period={period}")
    assert (told["account"], told["trades"]) == (ada.get()["account"], 1)
    amount = ada.balance(told["account"])["BTC"]
    assert Decimal(told["ending_value"]) == ada.balance(told["account"])["USDT"] + amount * 55_000
    assert Decimal(told["profit"]["amount"]) == Decimal(told["ending_value"]) - 1_000
    assert Decimal(told["net_deposits"]) in {0, 1_000}
    ada.ok("POST", "mine/stop")
    after = ada.ok("GET", f"mine/performance?period={period}")
    assert Decimal(after["ending_value"]) == 0
    assert Decimal(after["profit"]["amount"]) == Decimal(told["profit"]["amount"])


def test_one_that_was_never_funded_has_a_performance_too(ada: Owner) -> None:
    ada.add()
    told = ada.ok("GET", "mine/performance")
    assert (told["trades"], Decimal(told["ending_value"])) == (0, 0)


def test_logs_are_pages_by_level(ada: Owner) -> None:
    ada.running("mine", strategy_class="dca", settings={"order_value": "100", "timeframe": "1d"}, funding="20")
    [entry] = eventually(lambda: ada.ok("GET", "mine/log?level=warning"))
    assert "was refused" in entry["message"]
    assert [each["level"] for each in ada.ok("GET", "mine/log?level=info")] == ["info", "info"]
    assert [each["level"] for each in ada.ok("GET", "mine/log")] == ["warning", "info", "info"]
    assert ada.ok("GET", "mine/log?level=error") == []
    assert ada.get()["state"] == "running"
    with ada.database.read() as connection:
        told = connection.execute(select(models.Event).where(models.Event.type == "strategy_log")).all()
    named = {"strategy": "mine", "account": ada.get()["account"]}
    assert {each.user_id for each in told} == {ada.user.id}
    assert [json.loads(each.payload) for each in told if "was refused" in each.payload] == [{**named, **entry}]


def test_a_grid_too_dense_to_earn_its_fees_says_so(ada: Owner) -> None:
    ada.running(settings={"levels": 1, "spacing_percent": "0.2"})
    ada.running("wider", settings={"levels": 1, "spacing_percent": "0.3"})
    [entry] = eventually(lambda: ada.ok("GET", "mine/log?level=warning"))
    assert "widen the spacing" in entry["message"]
    eventually(lambda: len(ada.open_names("wider")) == 2)
    assert ada.ok("GET", "wider/log?level=warning") == []
