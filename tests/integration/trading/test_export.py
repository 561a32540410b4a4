"""Trades as CSV: true to the engine's books, readable by any program, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

import models
from models import Database
from services.trading.trade_export import COLUMNS
from tests.books import rows
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from tests.problems import assert_problem
from utils.money import plain
from utils.octobot_bridge import OctoBotBridge

PATH = "/api/trading/trades/export"


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


class Desk:
    """Trade over HTTP as a user."""

    def __init__(self, client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket) -> None:
        self.client, self.user, self._host, self._market = client, user, host, market

    def put(self, symbol: str, price: str) -> None:
        self._market.set_price(symbol, Decimal(price))
        self._host.tick()

    def trade(self, side: str, amount: str, symbol: str = "BTC/USDT", **more: str) -> None:
        body = {"symbol": symbol, "side": side, "type": "market", "amount": amount, **more}
        answer = self.client.post("/api/orders", json=body, headers=self.user.headers)
        assert answer.status_code == 201, answer.get_json()

    def post(self, path: str, **body: str) -> Any:
        answer = self.client.post(f"/api/accounts{path}", json=body, headers=self.user.headers)
        assert answer.status_code in {200, 201}, answer.get_json()
        return answer.get_json()["data"]

    def export(self, **query: str) -> list[dict[str, str]]:
        answer = self.client.get(PATH, query_string=query, headers=self.user.headers)
        assert (answer.status_code, answer.mimetype) == (200, "text/csv")
        return list(csv.DictReader(io.StringIO(answer.get_data(as_text=True), newline="")))


@pytest.fixture
def desk(client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket, bridge: OctoBotBridge) -> Desk:
    desk = Desk(client, user, host, market)
    for symbol, price in (("BTC/USDT", "50000"), ("ETH/USDT", "2500"), ("ETH/BTC", "0.05")):
        desk.put(symbol, price)
    return desk


def test_gains_are_the_engines(desk: Desk, database: Database) -> None:
    desk.post(f"/{desk.user.account_id}/deposit", currency="BTC", amount="0.03")
    desk.trade("buy", "0.1")
    desk.put("BTC/USDT", "61234.5")
    desk.post(f"/{desk.user.account_id}/deposit", currency="BTC", amount="0.0123")
    desk.trade("sell", "0.04")
    desk.trade("buy", "0.4", "ETH/BTC")
    desk.put("ETH/USDT", "3333.33")
    desk.trade("sell", "0.4", "ETH/USDT")
    desk.trade("buy", "0.3", "ETH/USDT")
    desk.trade("sell", "0.1", "ETH/BTC")
    desk.post(f"/{desk.user.account_id}/reset")
    desk.trade("buy", "0.05")
    desk.put("BTC/USDT", "70000")
    desk.trade("sell", "0.05")
    trades = rows(database, models.Trade)
    average, fifo = desk.export(), desk.export(method="fifo")
    assert [row["trade_id"] for row in average] == [trade.id for trade in trades]
    gains = [None if trade.realized_pnl is None else plain(trade.realized_pnl) for trade in trades]
    assert [row["gain"] or None for row in average] == gains
    assert sum(gain is not None for gain in gains) == 5
    for row in average + fifo:
        if row["gain"]:
            assert Decimal(row["proceeds"]) - Decimal(row["cost_basis"]) == Decimal(row["gain"])
    # in the end all that was bought since the reset is sold: both methods agree there
    # 0.05 at 61,234.5 and at 70,000, with fees
    bought, sold = Decimal("3061.725") * Decimal("1.001"), 3_500 * Decimal("0.999")
    assert average[-1]["gain"] == fifo[-1]["gain"] == plain(sold - bought)
    # whole trades have their figures once, however many lots they took
    assert len(fifo) > len(average)
    for name in ("amount", "cost", "fee", "acquisition_cost"):
        assert sum(Decimal(row[name] or 0) for row in fifo) == sum(Decimal(row[name] or 0) for row in average)
    first_sale = [row for row in fifo if row["trade_id"] == trades[1].id]
    assert [(row["lot"], row["disposed_amount"]) for row in first_sale] == [("1", "0.03"), ("2", "0.01")]
    assert first_sale[0]["acquired_at"] < first_sale[1]["acquired_at"] < first_sale[0]["executed_at"]
    # 61,234.5 less 0.1 % for 0.04; the first lot was paid in at 50,000
    assert first_sale[0]["cost_basis"] == "1500"
    assert first_sale[0]["proceeds"] == plain(Decimal("61234.5") * Decimal("0.03") * Decimal("0.999"))


def test_a_purchase_by_hand(desk: Desk, user: SignedIn) -> None:
    desk.trade("buy", "0.1", client_order_id="mine-1")
    [row] = desk.export()
    assert list(row) == list(COLUMNS)
    assert {name: value for name, value in row.items() if value and not name.endswith(("_id", "_at"))} == {
        "account": user.account_id,
        "account_name": "Paper",
        "mode": "paper",
        "exchange": "demo",
        "symbol": "BTC/USDT",
        "side": "buy",
        "price": "50000",
        "amount": "0.1",
        "cost": "5000",
        "fee_currency": "USDT",
        "fee": "5",
        "reference_currency": "USDT",
        "fee_value": "5",
        "acquired_currency": "BTC",
        "acquired_amount": "0.1",
        "acquisition_cost": "5005",
        "method": "average",
    }
    assert row["client_order_id"] == "mine-1"
    assert row["executed_at"].endswith("Z")


def test_filters_choose_rows_and_do_not_change_costs(desk: Desk, other: SignedIn) -> None:
    second = desk.post("", name="Second")["id"]
    desk.trade("buy", "0.1")
    desk.trade("buy", "1", "ETH/USDT")
    desk.put("BTC/USDT", "60000")
    desk.trade("sell", "0.05")
    desk.trade("buy", "0.01", account=second)
    everything = desk.export()
    assert [row["symbol"] for row in everything] == ["BTC/USDT", "ETH/USDT", "BTC/USDT", "BTC/USDT"]
    assert desk.export(account=second) == everything[3:]
    assert desk.export(symbol="eth-usdt") == everything[1:2]
    assert desk.export(side="sell") == everything[2:3]
    assert everything[2]["cost_basis"] == "2502.5"
    moment = everything[1]["executed_at"]
    assert desk.export(after=moment) == everything[2:]
    assert desk.export(until=moment) == everything[:2]
    assert desk.export(after=moment, until=moment) == []
    assert desk.client.get(PATH, headers=other.headers).get_data(as_text=True) == f"{','.join(COLUMNS)}\r\n"


def test_bad_queries(desk: Desk, other: SignedIn) -> None:
    def get(**query: str) -> Any:
        return desk.client.get(PATH, query_string=query, headers=desk.user.headers)

    assert_problem(get(account=other.account_id), 404, "account_not_found")
    assert_problem(get(method="lifo"), 422, "validation_failed")
    assert_problem(get(limit="5"), 422, "validation_failed")
    assert_problem(get(after="yesterday"), 422, "validation_failed")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", 'say "hi", then', "plain", "Ünï=code"])
def test_names_are_no_formulas_and_break_no_row(desk: Desk, name: str) -> None:
    account = desk.post("", name=name)["id"]
    desk.trade("buy", "0.01", account=account, client_order_id="-2-3")
    answer = desk.client.get(PATH, headers=desk.user.headers)
    lines = answer.get_data(as_text=True).split("\r\n")
    assert (len(lines), lines[-1]) == (3, "")
    assert "\n" not in lines[1]
    [row] = desk.export()
    kept = name.strip()
    assert row["account_name"] == (f"'{kept}" if kept[0] in "=+-@" else kept)
    assert row["client_order_id"] == "'-2-3"
    assert len(row) == len(COLUMNS)


def test_a_loss_stays_a_number(desk: Desk) -> None:
    desk.trade("buy", "0.01")
    desk.put("BTC/USDT", "40000")
    desk.trade("sell", "0.01")
    assert desk.export()[-1]["gain"] == "-100.9"


def test_long_histories_come_in_parts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        desk.trade("buy", "0.01")
        desk.trade("sell", "0.005")
    whole = {method: desk.export(method=method) for method in ("average", "fifo")}
    for size in (1, 2, 3, 7):
        monkeypatch.setattr("services.trading.trade_export.CHUNK", size)
        assert {method: desk.export(method=method) for method in ("average", "fifo")} == whole
    answer = desk.client.get(PATH, headers=desk.user.headers)
    assert answer.is_streamed
    assert "Content-Length" not in answer.headers
