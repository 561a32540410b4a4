"""Risk limits over HTTP, with the real engine: what is above a limit is refused, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

import models
from engine.journal.records import Records
from models import Database
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn, audit_rows
from tests.manual_market import ManualMarket
from tests.problems import assert_problem, fields
from utils.errors import StorageUnavailable
from utils.octobot_bridge import OctoBotBridge

LIMITS, ORDERS = "/api/trading/risk-limits", "/api/trading/orders"


class Desk:
    """A user at the API, whose market moves when told."""

    def __init__(self, client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket) -> None:
        self.client, self.user, self.host, self.market = client, user, host, market

    def limit(self, **limits: Any) -> Any:
        response = self.client.put(LIMITS, json=limits, headers=self.user.headers)
        assert response.status_code == 200, response.get_json()
        return response.get_json()["data"]

    def post(self, path: str = ORDERS, **body: Any) -> Any:
        full = {"symbol": SYMBOL, "side": "buy", "type": "market", "amount": "0.01", **body}
        return self.client.post(path, json=full, headers=self.user.headers)

    def place(self, **body: Any) -> dict[str, Any]:
        response = self.post(**body)
        assert response.status_code == 201, response.get_json()
        order: dict[str, Any] = response.get_json()["data"]
        return order

    def failed(self, **body: Any) -> list[str]:
        """Return the codes of the checks that a preview finds broken."""
        preview = self.post(f"{ORDERS}/preview", **body).get_json()["data"]
        codes = [check["code"] for check in preview["checks"] if not check["ok"]]
        assert preview["ok"] == (not codes)
        return codes

    def price(self, price: int, symbol: str = SYMBOL) -> None:
        self.market.set_price(symbol, Decimal(price))
        self.host.tick()


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


@pytest.fixture
def desk(client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket) -> Desk:
    desk = Desk(client, user, host, market)
    desk.price(50_000)
    return desk


CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ({"max_order_value": "1000"}, {"amount": "0.02001"}, {"amount": "0.02"}, "risk_max_order_value"),
    ({"max_position_value": "1000"}, {"amount": "0.02001"}, {"amount": "0.02"}, "risk_max_position_value"),
    ({"allowed_symbols": ["ETH/USDT"]}, {}, {"symbol": "eth-usdt", "amount": "0.01"}, "risk_symbol_not_allowed"),
    ({"price_collar": "10"}, {"type": "limit", "price": "44999"}, {"type": "limit", "price": "45000"},
     "risk_price_collar"),
    ({"max_open_orders": 0}, {"type": "limit", "price": "45000"}, {}, "risk_max_open_orders"),
    ({"max_open_orders": 1}, {"take_profit": {"price": "60000"}, "stop_loss": {"stop_price": "40000"}},
     {"stop_loss": {"stop_price": "40000"}}, "risk_max_open_orders"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[3]} {case[0]}")
def test_a_limit_refuses_what_is_above_it_alone(
    desk: Desk, database: Database, engine_bridge: OctoBotBridge,
    case: tuple[dict[str, Any], dict[str, Any], dict[str, Any], str],
) -> None:  # fmt: skip
    limits, above, within, code = case
    assert desk.failed(**above) == []
    desk.limit(**limits)
    assert desk.failed(**above) == [code]
    assert_problem(desk.post(**above), 422, code)
    assert rows(database, models.Order) == []
    assert desk.failed(**within) == []
    desk.place(**within)
    assert differences(database, engine_bridge) == []
    assert ("order.place", "denied", code) in audit_rows(database)


def test_limits_outlive_a_restart_and_are_nobody_elses(
    desk: Desk, other: SignedIn, client: FlaskClient, database: Database
) -> None:
    stored = desk.limit(max_order_value="100", allowed_symbols=["btc-usdt"])
    assert stored["allowed_symbols"] == [SYMBOL]
    assert stored["updated_at"]
    desk.host.stop()
    desk.host.start()
    assert client.get(LIMITS, headers=desk.user.headers).get_json()["data"] == stored
    assert_problem(desk.post(), 422, "risk_max_order_value")
    assert client.get(LIMITS, headers=other.headers).get_json()["data"]["max_order_value"] is None
    theirs = f"{LIMITS}?account={desk.user.account_id}"
    assert_problem(client.get(theirs, headers=other.headers), 404, "account_not_found")
    assert_problem(client.put(theirs, json={}, headers=other.headers), 404, "account_not_found")
    assert ("risk_limits.set", "done", None) in audit_rows(database)
    desk.limit()  # a PUT replaces: nothing given is no limit
    desk.place()


@pytest.mark.parametrize(
    ("limits", "field"),
    [({"max_order_value": "0"}, "max_order_value"), ({"max_open_orders": "5"}, "max_open_orders"),
     ({"max_open_orders": -1}, "max_open_orders"), ({"price_collar": "101"}, "price_collar"),
     ({"allowed_symbols": ["?"]}, "allowed_symbols.0"), ({"max_daily_loss": "NaN"}, "max_daily_loss")],
)  # fmt: skip
def test_bad_limits_change_nothing(desk: Desk, client: FlaskClient, limits: dict[str, Any], field: str) -> None:
    kept = desk.limit(max_order_value="100")
    response = client.put(LIMITS, json=limits, headers=desk.user.headers)
    assert field in dict(fields(assert_problem(response, 422, "validation_failed")))
    assert client.get(LIMITS, headers=desk.user.headers).get_json()["data"] == kept


def test_markets_that_the_exchange_does_not_have_are_refused_by_name(
    desk: Desk, client: FlaskClient, database: Database
) -> None:
    kept = desk.limit(allowed_symbols=[SYMBOL])
    limits = {"max_order_value": "1", "allowed_symbols": [SYMBOL, "no-such", "ETH/USDT", "BTC/USDT:EUR"]}
    problem = assert_problem(client.put(LIMITS, json=limits, headers=desk.user.headers), 422, "unknown_symbol")
    assert "NO/SUCH, BTC/USDT:EUR" in problem["detail"]
    assert fields(problem) == {("allowed_symbols.1", "unknown_symbol"), ("allowed_symbols.3", "unknown_symbol")}
    assert client.get(LIMITS, headers=desk.user.headers).get_json()["data"] == kept
    assert ("risk_limits.set", "denied", "unknown_symbol") in audit_rows(database)
    desk.place()


def test_open_buys_count_to_the_position(desk: Desk) -> None:
    desk.place(type="limit", price="49000", amount="0.01")
    desk.limit(max_position_value="1000")
    assert desk.failed(amount="0.01") == []
    assert desk.failed(amount="0.01001") == ["risk_max_position_value"]


def test_an_edit_is_held_against_the_limits(desk: Desk, client: FlaskClient) -> None:
    order = desk.place(type="limit", price="49000", amount="0.01")
    desk.limit(max_order_value="600", max_open_orders=1)
    path = f"{ORDERS}/{order['id']}"
    refused = client.patch(path, json={"amount": "0.02"}, headers=desk.user.headers)
    assert_problem(refused, 422, "risk_max_order_value")
    edited = client.patch(path, json={"amount": "0.012"}, headers=desk.user.headers)
    assert edited.get_json()["data"]["amount"] == "0.012"


def test_a_trigger_is_held_against_the_limits(desk: Desk, client: FlaskClient) -> None:
    stop = desk.place(type="stop", stop_price="51000", amount="0.01")
    desk.place(amount="0.1")
    protecting = desk.place(side="sell", type="stop", stop_price="45000", amount="0.1")
    desk.limit(max_position_value="1000")
    desk.price(51_500)
    read = client.get(f"{ORDERS}/{stop['id']}", headers=desk.user.headers).get_json()["data"]
    assert (read["status"], read["reject_code"]) == ("canceled", "risk_max_position_value")
    desk.limit(max_order_value="1", max_position_value="1", allowed_symbols=[])
    desk.price(44_000)
    read = client.get(f"{ORDERS}/{protecting['id']}", headers=desk.user.headers).get_json()["data"]
    assert read["status"] == "filled"  # what reduces is never stopped at its trigger


def test_the_installation_bounds_open_orders(desk: Desk) -> None:
    desk.host.run(_bound(desk.host, desk.user.account_id, 2))
    for price in ("40000", "40001"):
        desk.place(type="limit", price=price)
    assert_problem(desk.post(type="limit", price="40002"), 422, "risk_max_open_orders")
    desk.place()  # takes at once and leaves nothing open


async def _bound(host: EngineHost, account_id: str, number: int) -> None:
    account = await host.engine._accounts.get(account_id)
    account.gate._max_open_orders = number


# ---------------------------------------------------------------------------------------------------- daily loss


def test_a_daily_loss_leaves_selling_possible(desk: Desk, client: FlaskClient) -> None:
    desk.place(amount="0.1")
    waiting = desk.place(type="limit", price="40000", amount="0.01")
    desk.limit(max_daily_loss="500")
    desk.price(46_000)  # 400 unrealised, and the fee
    assert desk.failed(amount="0.01") == []
    desk.price(44_900)
    assert desk.failed(amount="0.01") == ["risk_max_daily_loss"]
    assert_problem(desk.post(), 422, "risk_max_daily_loss")
    change = client.patch(f"{ORDERS}/{waiting['id']}", json={"price": "40001"}, headers=desk.user.headers)
    assert_problem(change, 422, "risk_max_daily_loss")
    assert client.delete(f"{ORDERS}/{waiting['id']}", headers=desk.user.headers).status_code == 200
    desk.place(side="sell", amount="0.1")
    assert_problem(desk.post(), 422, "risk_max_daily_loss")  # realised now, and lost all the same
    desk.host.stop()
    desk.host.start()
    assert_problem(desk.post(), 422, "risk_max_daily_loss")


def test_an_order_that_cannot_be_judged_costs_no_earlier_one_its_fill(
    desk: Desk, database: Database, engine_bridge: OctoBotBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.limit(max_daily_loss="500")
    desk.place(type="limit", price="49000")
    desk.place(type="take_profit", stop_price="48900", oco={"stop_price": "52000"})

    def away(*_: object) -> None:
        raise StorageUnavailable("The database went away.")

    with monkeypatch.context() as patch:
        patch.setattr(Records, "day", away)
        desk.price(48_800)
    assert [row.status for row in rows(database, models.Order)] == ["accepted"] * 3
    assert differences(database, engine_bridge) == []
    desk.price(48_799)
    assert [row.status for row in rows(database, models.Order)] == ["filled", "filled", "canceled"]
    assert differences(database, engine_bridge) == []


def test_a_loss_of_yesterday_is_not_todays(desk: Desk, database: Database) -> None:
    desk.place(amount="0.1")
    desk.price(40_000)
    desk.place(side="sell", amount="0.1")  # 1,000 lost
    desk.limit(max_daily_loss="500")
    assert desk.failed(amount="0.01") == ["risk_max_daily_loss"]
    with database.write() as session:
        entries = models.LedgerEntry
        for row in rows(database, entries):
            session.execute(
                update(entries).where(entries.id == row.id).values(created_at=row.created_at - timedelta(days=1))
            )
    desk.host.stop()
    desk.host.start()
    assert desk.failed(amount="0.01") == []


def test_a_deposit_is_no_gain(desk: Desk) -> None:
    desk.limit(max_daily_loss="10000")
    assert desk.failed(amount="0.01") == []  # the opening deposit of today does not count as a loss or a gain
    desk.limit(max_daily_loss="1")
    assert desk.failed(amount="0.01") == []
    desk.place(amount="0.1")  # the fee alone is 7.50
    assert desk.failed(amount="0.01") == ["risk_max_daily_loss"]
