"""Paper futures accounts at a real exchange's perpetuals: its prices, its mark, its funding; over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from config import Settings
from models import Database
from tests.books import differences
from tests.engine_host import EngineHost
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.exchanges.perpetual import default_perpetuals
from tests.factories import SignedIn
from tests.integration.exchanges.test_paper import market_of, poll
from tests.manual_market import ManualMarket
from tests.problems import assert_problem
from utils.octobot_bridge import OctoBotBridge, UnixTransport

BTC = "BTC/USDT:USDT"
INVERSE = "BTC/USD:BTC"


@pytest.fixture
def exchange() -> Iterator[LoopbackBinance]:
    with LoopbackBinance(perpetuals=[replace(each, funding_hours=1) for each in default_perpetuals()]) as exchange:
        yield exchange


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, live_trading_enabled=True)


@pytest.fixture
def host(settings: Settings, exchange: LoopbackBinance) -> Iterator[EngineHost]:
    host = EngineHost(settings, ManualMarket())
    host.start()
    poll(host)
    yield host
    host.close()


@pytest.fixture
def app(settings: Settings, host: EngineHost, database: Database) -> Flask:
    return create_app(
        settings, bridge=OctoBotBridge(UnixTransport(settings.engine_socket), timeout=30), database=database
    )


@pytest.fixture
def account(client: FlaskClient, user: SignedIn) -> str:
    opened = client.post(
        "/api/accounts",
        json={"name": "Perpetuals", "exchange": "binance", "type": "futures", "starting_balance": "10000"},
        headers=user.headers,
    )
    assert opened.status_code == 201, opened.get_data(as_text=True)
    found: str = opened.get_json()["data"]["id"]
    return found


@pytest.fixture
def holds(client: FlaskClient, user: SignedIn, account: str) -> Any:
    """Return what makes a request on the account and returns its answer."""

    def call(method: str, path: str, **body: Any) -> Any:
        if method in {"GET", "DELETE"}:
            return client.open(path, method=method, query_string={"account": account, **body}, headers=user.headers)
        return client.open(path, method=method, json={"account": account, **body}, headers=user.headers)

    return call


def place(call: Any, side: str = "buy", **order: Any) -> Any:
    fields = {"symbol": BTC, "side": side, "type": "market", "amount": "0.1", **order}
    return call("POST", "/api/trading/orders", **fields)


def position(call: Any) -> dict[str, Any]:
    (found,) = call("GET", "/api/trading/positions").get_json()["data"]
    return dict(found)


def test_the_exchanges_perpetuals_are_listed_with_their_rules(
    client: FlaskClient, user: SignedIn, host: EngineHost, exchange: LoopbackBinance
) -> None:
    exchange.usdm.book.set_mark(BTC, "50010")
    poll(host)
    listed = client.get("/api/market/instruments?exchange=binance", headers=user.headers).get_json()["data"]
    (found,) = [each for each in listed if each["symbol"] == BTC]
    told = {
        name: found[name] for name in ("type", "settle", "price_tick", "amount_step", "min_cost", "funding_seconds")
    }
    assert told == {
        **{"type": "swap", "settle": "USDT", "price_tick": "0.1", "amount_step": "0.001", "min_cost": "5"},
        "funding_seconds": 3600,
    }
    assert (found["linear"], found["max_leverage"], found["taker_fee"]) == (True, "20", "0.0005")
    ticker = client.get("/api/market/ticker/BTC-USDT:USDT?exchange=binance", headers=user.headers).get_json()["data"]
    assert (ticker["last"], ticker["mark_price"], ticker["funding_rate"]) == ("50000", "50010", "0.0001")
    candles = client.get(
        "/api/market/candles?exchange=binance&symbol=BTC/USDT:USDT&timeframe=1m&limit=2", headers=user.headers
    )
    assert [each["close"] for each in candles.get_json()["data"]] == ["50000", "50000"]


def test_a_position_lives_by_the_exchanges_prices(
    holds: Any, host: EngineHost, exchange: LoopbackBinance, database: Database
) -> None:
    assert holds("PUT", "/api/trading/positions/BTC-USDT:USDT/leverage", leverage="10").status_code == 200
    opened = place(holds).get_json()["data"]
    assert (opened["status"], opened["average"], opened["fee"]["cost"]) == ("filled", "50000", "2.5")
    exchange.usdm.book.set_price(BTC, "50600")
    exchange.usdm.book.set_mark(BTC, "50500")
    poll(host)
    held = position(holds)
    assert (held["mark_price"], held["unrealized_pnl"], held["margin"]) == ("50500", "50", "500")
    # 50000 - (500 - 0.1 * 50000 * 0.025) / 0.1: the exchange's maintenance margin
    assert held["liquidation_price"] == "46250"
    closed = holds("DELETE", "/api/trading/positions/BTC-USDT:USDT").get_json()["data"]
    assert (closed["status"], closed["average"]) == ("filled", "50600")  # traded at the last price, not at the mark
    held = holds("GET", "/api/portfolio/balance").get_json()["data"]["currencies"]["USDT"]
    assert held["total"] == "10054.97"  # 10000 - 2.5 + 60 - 2.53
    bridge = OctoBotBridge(UnixTransport(host.settings.engine_socket), timeout=30)
    assert differences(database, bridge) == []


def test_the_mark_liquidates_and_the_last_price_triggers(
    client: FlaskClient, user: SignedIn, holds: Any, host: EngineHost, exchange: LoopbackBinance
) -> None:
    holds("PUT", "/api/trading/positions/BTC-USDT:USDT/leverage", leverage="20")
    place(holds)  # liquidated at 50000 - (250 - 125) / 0.1 = 48750
    stop = place(holds, "sell", type="stop", stop_price="48000", reduce_only=True).get_json()["data"]
    exchange.usdm.book.set_price(BTC, "48500")
    exchange.usdm.book.set_mark(BTC, "49000")
    poll(host)
    assert position(holds)["amount"] == "0.1"
    exchange.usdm.book.set_mark(BTC, "48700")
    poll(host)
    assert holds("GET", "/api/trading/positions").get_json()["data"] == []
    ended = client.get(f"/api/trading/orders/{stop['id']}", headers=user.headers).get_json()["data"]
    assert (ended["status"], ended["reject_code"]) == ("canceled", "liquidation")


def test_funding_is_the_exchanges(
    holds: Any, host: EngineHost, exchange: LoopbackBinance, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(holds)
    due = (time.time() // 3600 + 1) * 3600
    exchange.usdm.book.set_mark(BTC, "51000")
    exchange.usdm.book.fundings.append((BTC, Decimal("0.0002"), Decimal("51000"), int(due * 1000) + 3))
    wallet = holds("GET", "/api/portfolio/balance").get_json()["data"]["currencies"]["USDT"]["total"]
    assert wallet == "9997.5"
    monkeypatch.setattr("utils.clock.now", lambda: clock_at(due + 5))
    assert host.run(host.engine.funding_clock.wake())
    assert host.run(host.engine.funding_clock.wake())  # booked once
    wallet = holds("GET", "/api/portfolio/balance").get_json()["data"]["currencies"]["USDT"]["total"]
    assert wallet == "9996.48"  # less 0.1 * 51000 * 0.0002
    assert position(holds)["funding"] == "-1.02"


def test_funding_that_is_not_told_yet_is_waited_for(
    holds: Any, host: EngineHost, exchange: LoopbackBinance, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(holds)
    due = (time.time() // 3600 + 1) * 3600
    market = market_of(host)
    monkeypatch.setattr("utils.clock.now", lambda: clock_at(due + 5))
    monkeypatch.setattr(market, "_clock", lambda: due + 5)
    monkeypatch.setattr(market, "_stale_after", 1e9)
    monkeypatch.setattr(market._pulse, "_mute_seconds", 1e9)
    assert not host.run(host.engine.funding_clock.wake())
    assert_problem(place(holds, "sell"), 503, "funding_not_known")
    exchange.faults.add(Fault("error", on="market"))
    assert_problem(place(holds, "sell"), 502, "exchange_unreachable")
    exchange.faults.clear()
    # the exchange has changed its times: nothing comes any more
    monkeypatch.setattr(market, "_clock", lambda: due + 120)
    assert place(holds, "sell").get_json()["data"]["status"] == "filled"


def clock_at(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def test_inverse_contracts_are_refused_by_one_code(client: FlaskClient, user: SignedIn, holds: Any) -> None:
    assert_problem(place(holds, symbol=INVERSE), 422, "inverse_not_supported")
    preview = {"symbol": INVERSE, "side": "buy", "type": "market", "amount": "1"}
    assert_problem(holds("POST", "/api/trading/orders/preview", **preview), 422, "inverse_not_supported")
    leverage = holds("PUT", "/api/trading/positions/BTC-USD:BTC/leverage", leverage="2")
    assert_problem(leverage, 422, "inverse_not_supported")
    assert_problem(holds("DELETE", "/api/trading/positions/BTC-USD:BTC"), 422, "inverse_not_supported")
    coins = {"name": "Coins", "exchange": "binance", "type": "futures", "reference_currency": "BTC"}
    opening = client.post("/api/accounts", json=coins, headers=user.headers)
    assert_problem(opening, 422, "inverse_not_supported")


def test_perpetuals_that_are_away_stop_no_spot(
    client: FlaskClient, user: SignedIn, holds: Any, host: EngineHost, exchange: LoopbackBinance
) -> None:
    place(holds)
    exchange.usdm.book.rates.clear()  # the premium index fails from now on, and nothing else
    poll(host)
    assert_problem(place(holds), 503, "no_market_price")
    spot = client.get("/api/market/ticker/BTC-USDT?exchange=binance", headers=user.headers).get_json()["data"]
    assert (spot["last"], spot["stale"]) == ("50000", False)
    assert holds("GET", "/api/trading/positions").status_code == 200


def test_a_live_account_needs_keys_that_may_trade_futures(
    client: FlaskClient, user: SignedIn, host: EngineHost, exchange: LoopbackBinance
) -> None:
    def post(path: str, **body: Any) -> Any:
        return client.post(path, json=body or None, headers=user.headers)

    exchange.add_key("a-key-of-adas", "a-secret-of-adas", permissions=["read", "trade"])
    exchange.usdm.book.deposit("main", "USDT", "1000")
    keys = {"name": "Ada", "exchange": "binance", "api_key": "a-key-of-adas", "api_secret": "a-secret-of-adas"}
    credential = post("/api/credentials", **keys).get_json()["data"]["id"]
    told = post(f"/api/credentials/{credential}/verify").get_json()["data"]
    assert told["permissions"] == ["read", "trade"]
    account = {"name": "Live", "mode": "live", "type": "futures", "exchange": "binance", "credential": credential}
    assert_problem(post("/api/accounts", **account), 409, "credential_cannot_trade")

    exchange.add_key("a-key-of-adas", "a-secret-of-adas", permissions=["read", "trade", "futures"])
    told = post(f"/api/credentials/{credential}/verify").get_json()["data"]
    assert told["permissions"] == ["read", "trade", "futures"]
    opened = post("/api/accounts", **account)
    assert opened.status_code == 201
    assert_problem(post("/api/accounts", **{**account, "name": "Again"}), 409, "credential_in_use")
    # spot is another wallet
    assert post("/api/accounts", **{**account, "name": "Spot", "type": "spot"}).status_code == 201

    live = opened.get_json()["data"]["id"]
    poll(host)
    order = {"account": live, "symbol": BTC, "side": "buy", "type": "market", "amount": "0.01"}
    assert post("/api/trading/orders", **order).get_json()["data"]["status"] == "filled"
    assert_problem(post("/api/trading/orders", **{**order, "symbol": INVERSE}), 422, "inverse_not_supported")
    assert_problem(post("/api/trading/orders", **{**order, "symbol": "BTC/USDT"}), 422, "not_a_futures_market")
    held = client.get(f"/api/portfolio?account={live}", headers=user.headers).get_json()["data"]
    assert (held["mode"], held["currencies"]["USDT"]["total"]) == ("live", "999.75")
    assert [position["amount"] for position in held["positions"]] == ["0.01"]
    assert_problem(client.delete(f"/api/accounts/{live}", headers=user.headers), 409, "positions_open")
    poll(host)
    closed = client.delete(f"/api/trading/positions/BTC-USDT:USDT?account={live}", headers=user.headers)
    assert closed.get_json()["data"]["status"] == "filled"
    assert client.delete(f"/api/accounts/{live}", headers=user.headers).status_code == 200
