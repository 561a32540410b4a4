"""Exchanges that are connected and disconnected while everything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

import models
from app import create_app
from config import Settings
from models import Database, remember_exchange
from tests.books import rows
from tests.engine_host import EngineHost
from tests.exchanges.binance import LoopbackBinance
from tests.factories import SignedIn
from tests.integration.exchanges.test_paper import balances, open_account, place, poll
from tests.manual_market import ManualMarket
from tests.problems import assert_problem
from tests.tournaments import START, end, players, tournament
from utils.octobot_bridge import OctoBotBridge, UnixTransport

CONNECT, DISCONNECT = "/api/gateway/connect", "/api/gateway/disconnect"
CANDLES = "/api/market/candles?exchange=binance&symbol=BTC/USDT&timeframe=1m"
BINANCE = {"exchange": "binance"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, exchanges=("demo",))


@pytest.fixture
def host(settings: Settings) -> Iterator[EngineHost]:
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
def connected(client: FlaskClient, admin: SignedIn, host: EngineHost, exchange: LoopbackBinance) -> None:
    answer = client.post(CONNECT, json=BINANCE, headers=admin.headers)
    assert (answer.status_code, answer.get_json()["data"]["exchange"]) == (200, "binance")
    poll(host)


def disconnect(client: FlaskClient, admin: SignedIn) -> Any:
    return client.post(DISCONNECT, json=BINANCE, headers=admin.headers)


def states(client: FlaskClient, user: SignedIn) -> dict[str, str]:
    answer = client.get("/api/gateway/status", headers=user.headers)
    return {each["exchange"]: each["state"] for each in answer.get_json()["data"]["exchanges"]}


def keys(client: FlaskClient, user: SignedIn) -> int:
    body = {"name": "mine", "exchange": "binance", "api_key": "k" * 64, "api_secret": "s" * 64}
    return client.post("/api/credentials", json=body, headers=user.headers).status_code


@pytest.mark.usefixtures("connected")
def test_paper_accounts_trade_at_an_exchange_that_was_connected_meanwhile(
    client: FlaskClient, user: SignedIn, admin: SignedIn
) -> None:
    assert states(client, user) == {"demo": "connected", "binance": "connected"}
    body = {"name": "There", "mode": "paper", "exchange": "binance"}
    opened = client.post("/api/accounts", json=body, headers=user.headers)
    assert opened.status_code == 201, opened.get_json()
    account = opened.get_json()["data"]["id"]
    assert place(client, user, account, type="market").status_code == 201
    assert balances(client, user, account)["BTC"]["total"] == "0.1"
    assert keys(client, user) == 201
    assert client.get(CANDLES, headers=user.headers).status_code == 200
    again = client.post(CONNECT, json={"exchange": "Binance"}, headers=admin.headers)
    assert again.get_json()["data"]["state"] == "connected"  # nothing was begun anew


@pytest.mark.usefixtures("connected")
def test_each_change_leaves_an_audit_row(client: FlaskClient, admin: SignedIn, database: Database) -> None:
    assert disconnect(client, admin).status_code == 200
    found = [(row.action, row.target) for row in rows(database, models.AuditEntry) if row.user_id == admin.id]
    assert found[-2:] == [("exchange.connected", "binance"), ("exchange.disconnected", "binance")]


@pytest.mark.usefixtures("connected")
def test_what_was_changed_holds_after_a_restart(
    client: FlaskClient, user: SignedIn, admin: SignedIn, host: EngineHost
) -> None:
    host.stop()
    host.start()
    assert set(states(client, user)) == {"demo", "binance"}
    assert disconnect(client, admin).status_code == 200
    host.stop()
    host.start()
    assert set(states(client, user)) == {"demo"}


@pytest.mark.usefixtures("connected")
def test_accounts_rest_while_their_exchange_is_away(
    client: FlaskClient, user: SignedIn, admin: SignedIn, host: EngineHost, database: Database
) -> None:
    account = open_account(database, user)
    assert place(client, user, account, type="market").status_code == 201
    before = balances(client, user, account)
    assert disconnect(client, admin).get_json()["data"] == {"exchange": "binance", "resting_accounts": 1}
    assert set(states(client, user)) == {"demo"}
    assert_problem(place(client, user, account, type="market"), 503, "exchange_not_connected")
    assert client.get(CANDLES, headers=user.headers).status_code == 404
    assert keys(client, user) == 422
    assert_problem(disconnect(client, admin), 404, "unknown_exchange")
    client.post(CONNECT, json=BINANCE, headers=admin.headers)
    poll(host)
    assert balances(client, user, account)["BTC"]["total"] == before["BTC"]["total"]
    assert place(client, user, account, type="market", amount="0.01").status_code == 201


@pytest.mark.usefixtures("connected")
def test_an_exchange_in_use_stays(
    client: FlaskClient, user: SignedIn, admin: SignedIn, host: EngineHost, database: Database
) -> None:
    account = open_account(database, user)
    order = place(client, user, account, type="limit", price="45000", amount="0.01")
    assert order.status_code == 201
    refused = disconnect(client, admin)
    assert_problem(refused, 409, "exchange_in_use")
    assert "1 open orders" in refused.get_json()["detail"]
    assert place(client, user, account, type="market").status_code == 201  # as if nothing had been asked
    order_id = order.get_json()["data"]["id"]
    assert client.delete(f"/api/trading/orders/{order_id}", headers=user.headers).status_code == 200
    assert disconnect(client, admin).status_code == 200


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("status", ["running", "closing", "cancelled"])
def test_an_exchange_stays_until_the_accounts_of_its_tournaments_are_closed(
    client: FlaskClient, user: SignedIn, admin: SignedIn, database: Database, status: str
) -> None:
    cup = tournament(database, admin.id, exchange="binance", status=status)
    [entry] = players(database, cup, [user.id])
    refused = disconnect(client, admin)
    assert_problem(refused, 409, "exchange_in_use")
    assert "1 tournaments" in refused.get_json()["detail"]
    end(database, cup, {entry.id: START})
    assert disconnect(client, admin).status_code == 200


@pytest.mark.usefixtures("connected")
def test_strategies_run_as_soon_as_their_exchange_is_connected(
    client: FlaskClient, user: SignedIn, admin: SignedIn, host: EngineHost, database: Database
) -> None:
    body = {
        "name": "mine",
        "strategy_class": "grid",
        "portfolio_name": "BTC/USDT",
        "settings": {"levels": 1, "spacing_percent": "1", "order_value": "100"},
        "funding": "1000",
        "account": open_account(database, user),
    }
    added = client.post("/api/strategies/", json=body, headers=user.headers)
    assert added.status_code == 201, added.get_json()
    for action in ("init", "start"):
        assert client.post(f"/api/strategies/mine/{action}", headers=user.headers).status_code == 200
    host.stop()
    remember_exchange(database, "binance", is_connected=False)
    host.start()
    account = added.get_json()["data"]["account"]
    assert not host.engine.strategies.runs(account)
    assert client.post(CONNECT, json=BINANCE, headers=admin.headers).status_code == 200
    assert host.engine.strategies.runs(account)


@pytest.mark.parametrize("name", ["mtgox", "paperbinance", "demoo"])
def test_unknown_exchanges_are_refused(client: FlaskClient, user: SignedIn, admin: SignedIn, name: str) -> None:
    assert_problem(client.post(CONNECT, json={"exchange": name}, headers=admin.headers), 422, "unknown_exchange")
    assert_problem(client.post(DISCONNECT, json={"exchange": name}, headers=admin.headers), 404, "unknown_exchange")
    assert set(states(client, user)) == {"demo"}


def test_the_demo_exchange_stays(client: FlaskClient, admin: SignedIn) -> None:
    answer = client.post(DISCONNECT, json={"exchange": "demo"}, headers=admin.headers)
    assert_problem(answer, 409, "exchange_is_demo")


@pytest.mark.parametrize("path", [CONNECT, DISCONNECT])
def test_it_is_for_admins(client: FlaskClient, user: SignedIn, admin: SignedIn, path: str) -> None:
    assert client.post(path, json=BINANCE, headers=user.headers).status_code == 403
    assert client.post(path, json={"exchange": "../etc"}, headers=admin.headers).status_code == 422
    assert client.post(path, json={**BINANCE, "api_key": "x"}, headers=admin.headers).status_code == 422
