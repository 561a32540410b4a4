"""What is derived by division is told in figures that people can read; what is booked stays as it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

import models
from models import Database
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from utils.money import TOLD_DIGITS, rounded
from utils.octobot_bridge import OctoBotBridge

PERPETUAL = "BTC/USDT:USDT"


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


def test_entry_prices_and_unrealized_gains_are_rounded_and_books_are_not(
    client: FlaskClient,
    user: SignedIn,
    host: EngineHost,
    market: ManualMarket,
    database: Database,
    bridge: OctoBotBridge,
) -> None:
    def ask(method: str, path: str, body: Any = None) -> Any:
        response = client.open(path, method=method, json=body, headers=user.headers)
        assert response.status_code < 300, response.get_json()
        return response.get_json()["data"]

    futures = ask("POST", "/api/accounts", {"name": "Futures", "type": "futures"})["id"]
    for price in (50_000, 50_001, 49_997):
        for symbol, account in ((SYMBOL, user.account_id), (PERPETUAL, futures)):
            market.set_price(symbol, Decimal(price))
            host.tick()
            order = {"account": account, "symbol": symbol, "side": "buy", "type": "market", "amount": "0.007"}
            ask("POST", "/api/trading/orders", order)

    for account in (user.account_id, futures):
        [position] = ask("GET", f"/api/portfolio/positions?account={account}")
        told = [position["entry_price"], position["unrealized_pnl"]]
        for other in ("/api/portfolio", "/api/trading/positions", "/api/paper-trading/positions"):
            found = ask("GET", f"{other}?account={account}")
            [same] = found["positions"] if other == "/api/portfolio" else found
            assert [same["entry_price"], same["unrealized_pnl"]] == told
        told.append(ask("GET", f"/api/portfolio/performance?account={account}")["unrealized_pnl"])
        assert all(len(figure.strip("-0").replace(".", "").lstrip("0")) <= TOLD_DIGITS for figure in told), told
        [exact] = bridge.portfolio(account).positions
        assert exact.entry_price is not None
        assert exact.unrealized_pnl is not None
        assert exact.entry_price != rounded(exact.entry_price) == Decimal(told[0])
        assert Decimal(told[1]) == Decimal(told[2]) == rounded(exact.unrealized_pnl)
    [held] = rows(database, models.Position)
    assert held.entry_price != rounded(held.entry_price)
    assert differences(database, bridge) == []


@pytest.mark.parametrize(
    ("exact", "told"),
    [
        ("67330.181468132006214641", "67330.1814681"),
        ("-1.458138261818761720542936077084", "-1.45813826182"),
        ("0.0000123456789012345678", "0.0000123456789012"),
        ("50000", "50000"),
        ("0", "0"),
    ],
)
def test_twelve_digits_are_told(exact: str, told: str) -> None:
    assert rounded(Decimal(exact)) == Decimal(told)
