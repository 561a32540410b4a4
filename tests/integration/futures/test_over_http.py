"""A futures account over HTTP, with the real engine behind it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

import models
from app import create_app
from tests.contract.engine import EngineExchange
from tests.databases import Factory
from tests.factories import SignedIn, sign_in
from tests.problems import assert_problem
from tests.settings import settings_for

PATH = "/api/trading/positions/btc-usdt:usdt"


@pytest.fixture
def installation(new_database: Factory, tmp_path: Path) -> Iterator[tuple[FlaskClient, SignedIn, EngineExchange]]:
    """An app on a real engine, and a user whose main account is one for futures."""
    database = new_database(tmp_path)
    settings = settings_for(tmp_path, database)
    exchange = EngineExchange(settings, database)
    app = create_app(settings, bridge=exchange.bridge, database=database)
    user = sign_in(app, database)
    with database.write() as session:
        session.execute(update(models.Account).where(models.Account.id == user.account_id).values(type="futures"))
    exchange.set_price("BTC/USDT:USDT", Decimal(50_000))
    yield app.test_client(), user, exchange
    exchange.close()
    database.close()


def test_a_position_from_its_leverage_to_its_end(
    installation: tuple[FlaskClient, SignedIn, EngineExchange],
) -> None:
    client, user, exchange = installation

    def ask(method: str, path: str, status: int = 200, **options: Any) -> Any:
        headers = {**user.headers, **options.pop("headers", {})}
        response = client.open(path, method=method, headers=headers, **options)
        assert response.status_code == status, response.get_json()
        return response.get_json()["data"]

    leverage = ask("PUT", f"{PATH}/leverage", json={"leverage": "10"})
    assert leverage == {
        "account": user.account_id,
        "symbol": "BTC/USDT:USDT",
        "leverage": "10",
        "max_leverage": "100",
        "margin": "0",
        "liquidation_price": None,
    }
    ticket = {"symbol": "BTC/USDT:USDT", "side": "sell", "type": "market", "amount": "0.1"}
    ask("POST", "/api/trading/orders", 201, json=ticket)
    exchange.set_price("BTC/USDT:USDT", Decimal(49_000))
    [position] = ask("GET", "/api/trading/positions")
    assert position == ask("GET", "/api/portfolio/positions")[0]
    assert position == {
        "account": user.account_id,
        "symbol": "BTC/USDT:USDT",
        "side": "short",
        "amount": "0.1",
        "entry_price": "50000",
        "mark_price": "49000",
        "unrealized_pnl": "100",
        "leverage": "10",
        "margin": "500",
        "liquidation_price": "54750",
        "realized_pnl": "-2.5",
        "funding": "0",
    }
    assert ask("GET", "/api/portfolio")["total_value"] == "10097.5"
    closed = ask("DELETE", PATH, headers={"Idempotency-Key": "close"})
    assert (closed["side"], closed["amount"], closed["reduce_only"]) == ("buy", "0.1", True)
    assert ask("DELETE", PATH, headers={"Idempotency-Key": "close"}) == closed
    assert ask("GET", "/api/trading/positions") == []
    balance = ask("GET", "/api/portfolio/balance")
    assert balance["currencies"]["USDT"] == {
        "free": "10095.05", "locked": "0", "total": "10095.05", "value": "10095.05",
    }  # fmt: skip


def test_what_is_wrong_says_so(installation: tuple[FlaskClient, SignedIn, EngineExchange]) -> None:
    client, user, _ = installation
    inverse = {"symbol": "BTC/USD:BTC", "side": "buy", "type": "market", "amount": "100"}
    assert_problem(client.post("/api/trading/orders", json=inverse, headers=user.headers), 422, "inverse_not_supported")
    assert_problem(client.delete(PATH, headers=user.headers), 404, "position_not_found")
    assert client.delete(PATH).status_code == 401
    wrong = client.put(f"{PATH}/leverage", json={"leverage": "1000"}, headers=user.headers)
    assert_problem(wrong, 422, "invalid_leverage")
    wrong = client.put(f"{PATH}/leverage", json={"leverage": "0"}, headers=user.headers)
    assert_problem(wrong, 422, "validation_failed")


def test_nobody_reaches_a_position_of_somebody_else(
    installation: tuple[FlaskClient, SignedIn, EngineExchange],
) -> None:
    client, user, exchange = installation
    other = sign_in(client.application, exchange._database)
    response = client.delete(f"{PATH}?account={user.account_id}", headers=other.headers)
    assert_problem(response, 404, "account_not_found")
    body = {"leverage": "5", "account": user.account_id}
    assert_problem(client.put(f"{PATH}/leverage", json=body, headers=other.headers), 404, "account_not_found")


def test_a_ticker_of_a_perpetual_tells_mark_index_and_funding(
    installation: tuple[FlaskClient, SignedIn, EngineExchange],
) -> None:
    client, user, _ = installation
    ticker = client.get("/api/market/ticker/btc-usdt:usdt", headers=user.headers).get_json()["data"]
    assert ticker["mark_price"] == ticker["last"]
    assert Decimal(ticker["index_price"]) > 0
    assert Decimal(ticker["funding_rate"]) <= Decimal("0.0075")
    assert ticker["next_funding_at"].endswith(":00:00Z")
