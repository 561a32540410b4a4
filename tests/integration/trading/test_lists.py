"""Lists of orders and trades: pages, filters, and queries that are refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

from models import Database
from tests.factories import SignedIn
from tests.integration.trading.lists import TRADES, ids
from tests.order_rows import MORNING, add_account, add_order, add_trade
from tests.problems import assert_problem, fields


@pytest.mark.parametrize("path", ["/api/orders", *TRADES])
def test_pages_end_and_hold_everything_once(client: FlaskClient, database: Database, user: SignedIn, path: str) -> None:
    # three share one moment, so that the id decides
    moments = [MORNING + timedelta(seconds=seconds) for seconds in (0, 1, 1, 1, 2)]
    orders = [add_order(database, user, created_at=moment) for moment in moments]
    rows = orders
    if path != "/api/orders":
        rows = [add_trade(database, user, orders[0], created_at=moment) for moment in moments]
    expected = [row for _, row in sorted(zip(moments, rows, strict=True))]
    for direction, order in (("asc", expected), ("desc", expected[::-1])):
        for limit in (1, 2, 3, 5):
            seen: list[str] = []
            query: dict[str, Any] = {"direction": direction, "limit": limit}
            for _ in range(len(rows) + 1):
                body = client.get(path, query_string=query, headers=user.headers).get_json()
                seen += [row["id"] for row in body["data"]]
                assert body["pagination"]["limit"] == limit
                assert body["pagination"]["has_more"] == (body["pagination"]["next_cursor"] is not None)
                if not body["pagination"]["has_more"]:
                    break
                query["cursor"] = body["pagination"]["next_cursor"]
            assert seen == order


def test_a_page_is_not_moved_by_what_comes_in_meanwhile(
    client: FlaskClient, database: Database, user: SignedIn
) -> None:
    first, second = add_order(database, user), add_order(database, user, created_at=MORNING - timedelta(seconds=1))
    body = client.get("/api/orders?limit=1", headers=user.headers).get_json()
    assert [row["id"] for row in body["data"]] == [first]
    add_order(database, user, created_at=MORNING + timedelta(seconds=1))
    assert ids(client, user, "/api/orders", limit=1, cursor=body["pagination"]["next_cursor"]) == [second]


def test_filters_choose(client: FlaskClient, database: Database, user: SignedIn) -> None:
    second = add_account(database, user)
    buy = add_order(database, user)
    sell = add_order(database, user, side="sell", symbol="ETH/USDT", created_at=MORNING + timedelta(seconds=1))
    filled = add_order(database, user, status="filled", created_at=MORNING + timedelta(seconds=2))
    elsewhere = add_order(database, user, account_id=second, created_at=MORNING + timedelta(seconds=3))
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({}, [elsewhere, filled, sell, buy]),
        ({"status": "open"}, [elsewhere, sell, buy]),
        ({"status": "CLOSED"}, [filled]),
        ({"status": "all", "side": "Sell"}, [sell]),
        ({"symbol": "eth-usdt"}, [sell]),
        ({"symbol": "XXX/USDT"}, []),
        ({"account": second}, [elsewhere]),
        ({"account": user.account_id, "direction": "asc"}, [buy, sell, filled]),
        ({"after": "2026-01-02T03:04:06.678901Z"}, [elsewhere, filled]),
        ({"until": "2026-01-02T03:04:06.678901Z"}, [sell, buy]),
        ({"after": "2026-01-02T05:04:05.678901+02:00", "until": "2026-01-02T03:04:06.678901"}, [sell]),
    ]
    for query, expected in cases:
        assert ids(client, user, "/api/orders", **query) == expected, query


def test_trades_are_filtered_too(client: FlaskClient, database: Database, user: SignedIn) -> None:
    second = add_account(database, user)
    order = add_order(database, user)
    one = add_trade(database, user, order, realized_pnl=Decimal("-1.50"))
    two = add_trade(
        database, user, order, side="sell", account_id=second, symbol="ETH/USDT", fee_currency=None, fee_cost=None
    )
    assert ids(client, user, TRADES[0], side="buy") == [one]
    assert ids(client, user, TRADES[1], symbol="ETH-USDT") == [two]
    assert ids(client, user, TRADES[1], account=second) == [two]
    [row] = client.get(TRADES[1], query_string={"side": "buy"}, headers=user.headers).get_json()["data"]
    assert row == {
        "id": one,
        "order_id": order,
        "account": user.account_id,
        "mode": "paper",
        "exchange": "demo",
        "symbol": "BTC/USDT",
        "side": "buy",
        "price": "40000",
        "amount": "0.1",
        "cost": "4000",
        "fee": {"currency": "USDT", "cost": "4"},
        "realized_pnl": "-1.5",
        "created_at": "2026-01-02T03:04:05.678901Z",
        "exchange_trade_id": None,
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=opened", "status"),
        ("side=hold", "side"),
        ("direction=up", "direction"),
        ("symbol=%00", "symbol"),
        ("symbol=%F0%9F%98%80", "symbol"),
        ("after=yesterday", "after"),
        ("after=0001-01-01T00:00:00%2B23:00", "after"),
        ("until=9999-12-31T23:59:59-23:00", "until"),
        ("page=2", "page"),
    ],
)
def test_a_bad_query_names_its_parameter(client: FlaskClient, user: SignedIn, query: str, field: str) -> None:
    problem = assert_problem(client.get(f"/api/orders?{query}", headers=user.headers), 422, "validation_failed")
    assert {name for name, _ in fields(problem)} == {field}


@pytest.mark.parametrize(
    "cursor", ["x", "", "!!!!", "W10", "bnVsbA", "WzEsMl0", "WyIxIiwiMiJd", "caf\xe9", "WzFlOTksImEiXQ"]
)
def test_a_cursor_that_was_not_given_out_is_malformed(client: FlaskClient, user: SignedIn, cursor: str) -> None:
    response = client.get("/api/orders", query_string={"cursor": cursor}, headers=user.headers)
    problem = assert_problem(response, 400, "invalid_cursor")
    assert fields(problem) == {("cursor", "invalid_cursor")}
