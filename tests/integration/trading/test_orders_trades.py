"""Orders together with their trades."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from models import Database
from services.trading import order_trades
from tests.factories import SignedIn
from tests.integration.trading.lists import ids
from tests.order_rows import MORNING, add_account, add_order, add_trade
from tests.problems import assert_problem

PATH = "/api/orders-trades"


def test_each_order_comes_with_its_trades_oldest_first(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn
) -> None:
    waiting = add_order(database, user)
    filled = add_order(database, user, status="filled", created_at=MORNING + timedelta(seconds=1))
    foreign = add_order(database, other)
    add_trade(database, other, foreign)
    late = add_trade(database, user, filled, created_at=MORNING + timedelta(seconds=9))
    early = add_trade(database, user, filled, created_at=MORNING + timedelta(seconds=8))
    rows = client.get(PATH, headers=user.headers).get_json()["data"]
    assert [(row["id"], row["trade_count"], [trade["id"] for trade in row["trades"]]) for row in rows] == [
        (filled, 2, [early, late]),
        (waiting, 0, []),
    ]
    order = client.get(f"/api/orders/{filled}", headers=user.headers).get_json()["data"]
    assert {name: rows[0][name] for name in order} == order
    trades = client.get("/api/trading/trades", headers=user.headers).get_json()["data"]
    assert rows[0]["trades"] == trades[::-1]


def test_pages_and_filters_are_those_of_orders(client: FlaskClient, database: Database, user: SignedIn) -> None:
    account = add_account(database, user)
    orders = [add_order(database, user, created_at=MORNING + timedelta(seconds=number)) for number in range(3)]
    closed = add_order(database, user, account_id=account, status="filled", created_at=MORNING + timedelta(seconds=5))
    add_trade(database, user, closed)
    assert ids(client, user, PATH, status="open") == orders[::-1]
    assert ids(client, user, PATH, account=account) == [closed]
    assert ids(client, user, PATH, direction="asc", limit=2) == orders[:2]
    page = client.get(f"{PATH}?limit=2", headers=user.headers).get_json()
    cursor = page["pagination"]["next_cursor"]
    assert [row["id"] for row in page["data"]] == [closed, orders[2]]
    assert ids(client, user, PATH, limit=2, cursor=cursor) == [orders[1], orders[0]]


def test_of_many_trades_the_latest_are_shown_and_all_are_counted(
    client: FlaskClient, database: Database, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_trades, "MOST_TRADES", 2)
    order = add_order(database, user, status="filled")
    trades = [add_trade(database, user, order, created_at=MORNING + timedelta(seconds=number)) for number in range(4)]
    (row,) = client.get(PATH, headers=user.headers).get_json()["data"]
    assert (row["trade_count"], [trade["id"] for trade in row["trades"]]) == (4, trades[2:])


def test_somebody_elses_account_does_not_exist(client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
    answer = client.get(PATH, query_string={"account": other.account_id}, headers=user.headers)
    assert_problem(answer, 404, "account_not_found")
    assert_problem(client.get(PATH), 401, "token_missing")
