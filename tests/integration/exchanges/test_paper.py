"""Paper accounts on a real exchange's prices, through the engine and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert

import models
from app import create_app
from config import Settings
from engine.exchanges.market import ExchangeMarket
from models import Database
from tests.engine_host import EngineHost
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from tests.problems import assert_problem
from utils import clock, ids
from utils.octobot_bridge import OctoBotBridge, UnixTransport

BTC = "BTC/USDT"


@pytest.fixture
def host(settings: Settings, exchange: LoopbackBinance) -> Iterator[EngineHost]:
    host = EngineHost(settings, ManualMarket())
    host.start()
    yield host
    host.close()


@pytest.fixture
def app(settings: Settings, host: EngineHost, database: Database) -> Flask:
    return create_app(
        settings, bridge=OctoBotBridge(UnixTransport(settings.engine_socket), timeout=30), database=database
    )


@pytest.fixture
def account(database: Database, user: SignedIn) -> str:
    return open_account(database, user)


def open_account(database: Database, user: SignedIn) -> str:
    account_id, now = ids.new_id(), clock.now()
    with database.write() as session:
        session.execute(
            insert(models.Account).values(
                id=account_id,
                user_id=user.id,
                name="Paper on Binance",
                mode="paper",
                exchange="binance",
                type="spot",
                kind="main",
                reference_currency="USDT",
                starting_balance=Decimal(10_000),
                status="active",
                created_at=now,
                updated_at=now,
            )
        )
    return account_id


def market_of(host: EngineHost) -> ExchangeMarket:
    market = host.engine._markets.get("binance")
    assert isinstance(market, ExchangeMarket)
    return market


def poll(host: EngineHost) -> None:
    host.run(market_of(host).tick())
    host.run(host.engine.settle())


def place(client: FlaskClient, user: SignedIn, account: str, **order: Any) -> Any:
    body = {"account": account, "symbol": BTC, "side": "buy", "amount": "0.1", **order}
    return client.post("/api/trading/orders", json=body, headers=user.headers)


def balances(client: FlaskClient, user: SignedIn, account: str) -> dict[str, Any]:
    answer = client.get(f"/api/portfolio/balance?account={account}", headers=user.headers)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    held: dict[str, Any] = answer.get_json()["data"]["currencies"]
    return held


def test_orders_fill_at_the_exchanges_prices(
    client: FlaskClient, user: SignedIn, host: EngineHost, exchange: LoopbackBinance, account: str
) -> None:
    exchange.book.set_price(BTC, "50000", "0.02")
    poll(host)
    bought = place(client, user, account).get_json()["data"]
    assert (bought["status"], bought["exchange"], bought["mode"]) == ("filled", "binance", "paper")
    assert (bought["average"], bought["fee"]) == ("50000", {"currency": "USDT", "cost": "5"})

    resting = place(client, user, account, side="sell", price="51000").get_json()["data"]
    assert resting["status"] == "accepted"
    exchange.book.set_price(BTC, "51000.5", "0.02")
    poll(host)

    sold = client.get(f"/api/trading/orders/{resting['id']}", headers=user.headers).get_json()["data"]
    assert (sold["status"], sold["average"]) == ("filled", "51000")
    held = balances(client, user, account)
    assert held["USDT"]["total"] == "10089.9"  # 10000 - 5000 - 5 + 5100 - 5.1
    assert exchange.book.orders() == []


def test_the_exchanges_rules_count(
    client: FlaskClient, user: SignedIn, host: EngineHost, exchange: LoopbackBinance, account: str
) -> None:
    poll(host)
    market = exchange.book.quotes[BTC].market
    assert_problem(place(client, user, account, amount=str(market.amount_step / 10)), 422, "below_min_amount")
    off_tick = str(Decimal(40_000) + market.price_tick / 10)
    assert_problem(place(client, user, account, price=off_tick), 422, "invalid_precision")
    assert_problem(place(client, user, account, symbol="NO/NE"), 404, "unknown_symbol")


def test_while_the_exchange_is_away_nothing_is_traded_and_all_can_be_cancelled(
    client: FlaskClient, user: SignedIn, host: EngineHost, exchange: LoopbackBinance, account: str
) -> None:
    poll(host)
    resting = place(client, user, account, price="40000").get_json()["data"]
    market_of(host)._stale_after = -1.0
    exchange.faults.add(Fault("refuse", on="market"))

    refused = assert_problem(place(client, user, account), 503, "stale_market_price")
    assert "binance" in refused["detail"]
    ticker = client.get("/api/market/ticker/BTC-USDT?exchange=binance", headers=user.headers).get_json()["data"]
    assert ticker["stale"] is True
    cancelled = client.delete(f"/api/trading/orders/{resting['id']}", headers=user.headers)
    assert cancelled.get_json()["data"]["status"] == "canceled"
    assert balances(client, user, account)["USDT"]["free"] == "10000"
    # the demo exchange does not care
    assert place(client, user, user.account_id, amount="0.001").status_code == 201


def test_a_restart_while_the_exchange_is_away_keeps_orders(
    client: FlaskClient,
    user: SignedIn,
    host: EngineHost,
    exchange: LoopbackBinance,
    account: str,
) -> None:
    exchange.book.set_price(BTC, "50000")
    poll(host)
    first, second = (
        place(client, user, account, price=price, amount="0.05").get_json()["data"]["id"]
        for price in ("40000", "41000")
    )
    exchange.faults.add(Fault("refuse", on="market"))
    host.stop()
    host.start()

    assert balances(client, user, account)["USDT"]["locked"] == "4054.05"
    assert client.delete(f"/api/trading/orders/{first}", headers=user.headers).status_code == 200
    exchange.faults.clear()
    exchange.book.set_price(BTC, "40500")  # crossed while the engine did not look
    poll(host)
    filled = client.get(f"/api/trading/orders/{second}", headers=user.headers).get_json()["data"]
    assert (filled["status"], filled["average"]) == ("filled", "41000")


def test_market_data_by_exchange(
    client: FlaskClient, user: SignedIn, host: EngineHost, exchange: LoopbackBinance
) -> None:
    def get(path: str) -> Any:
        return client.get(path, headers=user.headers)

    assert_problem(get("/api/market/instruments?exchange=binance"), 503, "exchange_not_connected")
    exchange.book.set_price(BTC, "50000.5", "0.02")
    poll(host)
    instruments = get("/api/market/instruments?exchange=binance").get_json()["data"]
    assert {each["exchange"] for each in instruments} == {"binance"}
    assert get("/api/market/ticker/BTC-USDT?exchange=binance").get_json()["data"]["last"] == "50000.5"
    assert len(get("/api/market/tickers?exchange=binance").get_json()["data"]) == len(instruments)
    candles = get("/api/market/candles?exchange=binance&symbol=BTC/USDT&timeframe=1m&limit=5").get_json()["data"]
    assert len(candles) == 5
    assert candles[-1]["close"] == "50000.5"
    for path in ("instruments", "tickers", "ticker/BTC-USDT", "candles?symbol=BTC/USDT"):
        where = f"/api/market/{path}{'&' if '?' in path else '?'}exchange=nowhere"
        assert_problem(get(where), 404, "unknown_exchange")


@pytest.mark.usefixtures("streamer", "worker")
def test_an_exchange_that_is_away_does_not_keep_the_engine_from_starting(
    settings: Settings, database: Database
) -> None:
    away = replace(settings, exchange_urls={"binance": "http://127.0.0.1:9"})
    host = EngineHost(away, ManualMarket())
    host.start()
    app = create_app(away, bridge=OctoBotBridge(UnixTransport(away.engine_socket), timeout=30), database=database)
    assert app.test_client().get("/health/ready").status_code == 200
    host.close()


def test_many_accounts_open_without_asking_the_exchange(
    client: FlaskClient, database: Database, user: SignedIn, host: EngineHost, exchange: LoopbackBinance
) -> None:
    poll(host)
    accounts = [open_account(database, user) for _ in range(5)]
    before = len(exchange.seen)
    for account in accounts:
        assert place(client, user, account, amount="0.01").status_code == 201
    assert len(exchange.seen) == before
