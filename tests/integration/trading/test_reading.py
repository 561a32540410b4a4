"""Portfolio, market data and configuration over HTTP."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from config import Settings
from models import Database
from services.operations.configuration import redact
from tests.factories import SignedIn, sign_in
from tests.fake_engine import FakeEngine
from tests.integration.trading.conftest import Post
from tests.order_rows import add_account
from tests.problems import assert_problem, fields
from utils.octobot_bridge import OctoBotBridge


def data(client: FlaskClient, user: SignedIn, path: str, **query: Any) -> Any:
    response = client.get(path, query_string=query, headers=user.headers)
    assert response.status_code == 200, response.get_json()
    body = response.get_json()
    assert body["success"] is True
    return body["data"]


def test_the_portfolio_of_an_account(client: FlaskClient, user: SignedIn, place: Post, engine: FakeEngine) -> None:
    place(type="market")
    place(amount="0.05")
    engine.set_price("BTC/USDT", Decimal(60_000))
    portfolio = data(client, user, "/api/portfolio")
    assert portfolio["currencies"]["BTC"] == {"free": "0.1", "locked": "0", "total": "0.1", "value": "6000"}
    assert portfolio["currencies"]["USDT"]["locked"] == "2003"
    assert (portfolio["total_value"], portfolio["open_orders"]) == ("10992.5", 1)
    assert portfolio["profit"] == {"amount": "992.5", "percent": "9.925"}
    assert set(portfolio) >= {"account", "mode", "reference_currency", "positions", "as_of"}
    balance = data(client, user, "/api/portfolio/balance")
    assert balance == {name: portfolio[name] for name in balance}
    assert set(balance) == {"account", "mode", "currencies", "reference_currency", "total_value"}
    positions = data(client, user, "/api/portfolio/positions")
    assert positions == portfolio["positions"] == data(client, user, "/api/trading/positions")
    [position] = positions
    assert (position["symbol"], position["amount"], position["mark_price"]) == ("BTC/USDT", "0.1", "60000")


def test_another_account_of_the_user(client: FlaskClient, user: SignedIn, database: Database, place: Post) -> None:
    second = add_account(database, user)
    place(type="market", account=second)
    assert data(client, user, "/api/portfolio", account=second)["account"] == second
    assert data(client, user, "/api/portfolio")["currencies"].keys() == {"USDT"}


# ------------------------------------------------------------------------------------------------ market


@pytest.mark.parametrize("path", ["/api/market/instruments", "/api/candles/instruments"])
def test_instruments_are_found(client: FlaskClient, user: SignedIn, path: str) -> None:
    def symbols(**query: str) -> set[str]:
        return {row["symbol"] for row in data(client, user, path, **query)}

    everything = symbols()
    assert {"BTC/USDT", "ETH/USDT", "ETH/BTC"} <= everything
    assert symbols(exchange="demo") == everything
    assert symbols(base="eth") == {"ETH/USDT", "ETH/BTC"}
    assert symbols(base="ETH", quote="btc") == {"ETH/BTC"}
    assert symbols(search="btc") == {"BTC/USDT", "ETH/BTC"}
    assert symbols(search="btc-usdt") == {"BTC/USDT"}
    assert symbols(search="nothing") == set()
    [row] = data(client, user, path, search="BTC/USDT")
    assert (row["type"], row["base"], row["quote"]) == ("spot", "BTC", "USDT")
    assert (row["price_tick"], row["amount_step"], row["min_cost"]) == ("0.01", "0.00001", "5")
    assert_problem(client.get(f"{path}?exchange=nowhere", headers=user.headers), 404, "unknown_exchange")


@pytest.mark.parametrize("path", ["/api/market/candles", "/api/candles/", "/api/candles"])
def test_candles(client: FlaskClient, user: SignedIn, path: str) -> None:
    rows = data(client, user, path, symbol="btc-usdt", timeframe="5minute")
    assert len(rows) == 200
    assert set(rows[0]) == {"timestamp", "time", "open", "high", "low", "close", "volume", "closed"}
    assert rows[1]["timestamp"] - rows[0]["timestamp"] == 300_000
    assert (rows[-1]["close"], rows[-1]["closed"], rows[0]["closed"]) == ("50000", False, True)
    first = rows[0]
    assert data(client, user, path, symbol="BTC/USDT", timeframe="5m", limit=1, since=first["timestamp"]) == [first]
    assert data(client, user, path, symbol="BTC/USDT", timeframe="5m", limit=1, since=first["time"]) == [first]
    assert data(client, user, path, symbol="BTC/USDT", timeframe="5m", limit=1, until=first["time"]) == [first]
    assert len(data(client, user, path, symbol="BTC/USDT", limit=1000)) == 1000


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("", "symbol", "required"),
        ("symbol=BTC/USDT&timeframe=7m", "timeframe", "unknown_timeframe"),
        ("symbol=BTC/USDT&limit=1001", "limit", "invalid"),
        ("symbol=BTC/USDT&limit=0", "limit", "invalid"),
        ("symbol=BTC/USDT&since=soon", "since", "invalid"),
        ("symbol=BTC/USDT&until=-5", "until", "invalid"),
        ("symbol=%20", "symbol", "invalid_symbol"),
    ],
)
def test_bad_candle_queries(client: FlaskClient, user: SignedIn, query: str, field: str, code: str) -> None:
    problem = assert_problem(client.get(f"/api/candles/?{query}", headers=user.headers), 422, "validation_failed")
    assert fields(problem) == {(field, code)}


def test_tickers(client: FlaskClient, user: SignedIn) -> None:
    assert len(data(client, user, "/api/market/tickers")) == 4
    rows = data(client, user, "/api/market/tickers", symbols="eth-usdt,BTC/USDT,ETH/USDT")
    assert [row["symbol"] for row in rows] == ["ETH/USDT", "BTC/USDT"]
    for name in ("BTC-USDT", "btc-usdt", "BTC/USDT", "BTC%2FUSDT"):
        ticker = data(client, user, f"/api/market/ticker/{name}")
        assert (ticker["symbol"], ticker["last"], ticker["stale"]) == ("BTC/USDT", "50000", False)


@pytest.mark.parametrize(
    "path",
    ["ticker/XXX-USDT", "ticker/%20", "ticker/a/b/c", "tickers?symbols=BTC-USDT,XXX-USDT", "candles?symbol=XXX-USDT"],
)
def test_unknown_markets_are_not_found(client: FlaskClient, user: SignedIn, path: str) -> None:
    assert_problem(client.get(f"/api/market/{path}", headers=user.headers), 404, "unknown_symbol")


@pytest.mark.parametrize("symbols", ["", ",", "BTC/USDT,", "\x00", ",".join(["BTC/USDT"] * 101)])
def test_bad_lists_of_symbols(client: FlaskClient, user: SignedIn, symbols: str) -> None:
    response = client.get("/api/market/tickers", query_string={"symbols": symbols}, headers=user.headers)
    problem = assert_problem(response, 422, "validation_failed")
    assert {field for field, _ in fields(problem)} == {"symbols"}


@pytest.mark.parametrize(
    "path", ["/api/orders", "/api/portfolio", "/api/market/tickers", "/api/stream/prices", "/api/config"]
)
def test_nobody_reads_without_a_token(client: FlaskClient, path: str) -> None:
    assert_problem(client.get(path), 401, "token_missing")


# ------------------------------------------------------------------------------------------------ config


def test_the_configuration_is_for_admins(client: FlaskClient, user: SignedIn, admin: SignedIn) -> None:
    assert_problem(client.get("/api/config", headers=user.headers), 403, "forbidden")
    configuration = data(client, admin, "/api/config")
    assert configuration["api"]["web_threads"] == 16
    assert configuration["bot"]["octobot_version"] == "fake"
    assert configuration["bot"]["config"]


def test_the_configuration_holds_no_secret(settings: Settings, bridge: OctoBotBridge, database: Database) -> None:
    told = replace(settings, redis_url="redis://:canary-r@localhost", admin_username="root", admin_password="canary-a")
    app: Flask = create_app(told, bridge=bridge, database=database)
    admin = sign_in(app, database, role="admin")
    text = app.test_client().get("/api/config", headers=admin.headers).get_data(as_text=True)
    assert settings.secret_key not in text
    assert "canary" not in text
    assert '"secret_key":"[redacted]"' in text.replace(" ", "")


def test_secrets_of_the_bot_are_redacted_by_their_names() -> None:
    config = {
        "exchanges": {"x": {"api-key": "a", "api-secret": "b", "api-password": "", "sandboxed": True}},
        "l": [{"token": "t"}],
    }
    assert redact(config) == {
        "exchanges": {
            "x": {"api-key": "[redacted]", "api-secret": "[redacted]", "api-password": "", "sandboxed": True}
        },
        "l": [{"token": "[redacted]"}],
    }
