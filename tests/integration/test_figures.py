"""The installation's figures: counted right, to the last digit, on the right day, and only for administrators."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update

import models
from models import Database
from models.sums import exact_sum
from services.operations import statistics
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.order_rows import add_account, add_order, add_trade
from tests.problems import assert_problem
from utils import clock, ids
from utils.octobot_bridge import OctoBotBridge

STATS, ANALYTICS = "/api/admin/stats", "/api/admin/analytics"


def get(client: FlaskClient, admin: SignedIn, path: str, **query: Any) -> Any:
    answer = client.get(path, headers=admin.headers, query_string=query)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()["data"]


def fill(database: Database, user: SignedIn, at: datetime, cost: str, **columns: Any) -> None:
    """Write an order and its trade as if they had been made at `at`."""
    order_id = ids.first_id(at)[:-12] + ids.new_id()[-12:]
    add_order(database, user, id=order_id, created_at=at, **columns)
    symbol = {"symbol": columns["symbol"]} if "symbol" in columns else {}
    mode = {"mode": columns["mode"]} if "mode" in columns else {}
    trade_id = ids.first_id(at)[:-12] + ids.new_id()[-12:]
    add_trade(database, user, id=trade_id, order_id=order_id, created_at=at, cost=Decimal(cost), **symbol, **mode)


class TestNow:
    def test_counts_users_and_trading(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn, other: SignedIn
    ) -> None:
        now = clock.now()
        with database.write() as session:
            session.execute(
                update(models.User)
                .where(models.User.id == other.id)
                .values(is_active=False, created_at=now - timedelta(days=3))
            )
            session.execute(
                update(models.Session)
                .where(models.Session.user_id == other.id)
                .values(last_used_at=now - timedelta(days=2))
            )
        fill(database, user, now - timedelta(hours=1), "0.1")
        fill(database, user, now - timedelta(hours=23), "0.2")
        fill(database, user, now - timedelta(hours=2), "7", symbol="ETH/BTC")
        fill(database, user, now - timedelta(hours=3), "5", symbol="BTC/USDT:USDT", status="filled")
        fill(database, other, now - timedelta(hours=25), "1000")
        fill(database, other, now - timedelta(hours=1), "3", mode="live")

        shown = get(client, admin, STATS)

        assert shown["users"] == {"total": 3, "active": 2, "admins": 1, "new": 2, "seen": 2}
        volume = {"BTC": "7", "USDT": "5.3"}
        assert shown["paper"] == {"open_orders": 4, "orders": 4, "trades": 4, "traders": 1, "volume": volume}
        live = {"open_orders": 1, "orders": 1, "trades": 1, "traders": 1, "volume": {"USDT": "3"}}
        assert shown["live"] == live
        assert shown["engine"] is None  # there is none here, and the rest is told all the same

    def test_spreads_profits_by_the_last_sample(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        moment = clock.now()
        values = ("9000", "10000", "10100", "13000", "90000")
        for value in values:
            account = add_account(database, user)
            sample = {"account_id": account, "deposited": Decimal(10_000)}
            with database.write() as session:
                session.execute(
                    insert(models.EquitySample),
                    [
                        {**sample, "at": moment, "value": Decimal(value)},
                        {**sample, "at": moment - timedelta(days=1), "value": Decimal(1)},
                    ],
                )
        profits = get(client, admin, STATS)["profits"]
        paper = profits["paper"]
        assert (paper["accounts"], paper["gaining"], paper["losing"], paper["median_percent"]) == (5, 3, 1, "1")
        filled = {(each["above"], each["to"]): each["accounts"] for each in paper["buckets"] if each["accounts"]}
        assert filled == {("-10", "-5"): 1, ("0", "5"): 2, ("20", "50"): 1, ("50", None): 1}
        assert sum(each["accounts"] for each in paper["buckets"]) == 5
        assert profits["live"]["accounts"] == 0

    def test_of_users_are_the_administrators(self, client: FlaskClient, user: SignedIn) -> None:
        for path in (STATS, ANALYTICS):
            assert_problem(client.get(path, headers=user.headers), 403, "forbidden")


class TestWithAnEngine:
    @pytest.fixture
    def bridge(self, engine_bridge: OctoBotBridge) -> OctoBotBridge:
        return engine_bridge

    def test_tells_how_it_is(self, client: FlaskClient, admin: SignedIn, host: EngineHost) -> None:
        engine = get(client, admin, STATS)["engine"]
        assert [feed["exchange"] for feed in engine["feeds"]] == ["demo"]
        assert engine["octobot_version"]


class TestDays:
    def test_are_utc_and_complete(
        self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn
    ) -> None:
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        a_moment = timedelta(microseconds=1)
        fill(database, user, midnight - a_moment, "0.1")
        fill(database, user, midnight - timedelta(days=1), "0.2")
        fill(database, user, midnight - timedelta(days=1) - a_moment, "50")
        fill(database, user, midnight - timedelta(days=30), "1000")
        with database.write() as session:
            session.execute(
                update(models.User).where(models.User.id == user.id).values(created_at=midnight - timedelta(days=1))
            )

        days = get(client, admin, ANALYTICS, days=3)

        assert [day["date"] for day in days] == [str((midnight - timedelta(days=back)).date()) for back in (2, 1, 0)]
        assert [day["trades"] for day in days] == [1, 2, 0]
        assert [day["volume"] for day in days] == [{"USDT": "50"}, {"USDT": "0.3"}, {}]
        assert [(day["orders"], day["traders"]) for day in days] == [(1, 1), (2, 1), (0, 0)]
        assert [(day["users"], day["new_users"]) for day in days] == [(0, 0), (1, 1), (2, 1)]
        assert days[-1]["signed_in"] == 2

    @pytest.mark.parametrize("days", ["0", "367", "-1", "many"])
    def test_are_bounded(self, client: FlaskClient, admin: SignedIn, days: str) -> None:
        answer = client.get(ANALYTICS, headers=admin.headers, query_string={"days": days})
        assert_problem(answer, 422, "validation_failed")

    def test_that_take_too_long_are_given_up(
        self, client: FlaskClient, admin: SignedIn, monkeypatch: pytest.MonkeyPatch, database: Database
    ) -> None:
        if not database.is_sqlite:
            pytest.skip("PostgreSQL takes a time-out of 0 for none")
        monkeypatch.setattr(statistics, "SECONDS", -1.0)
        monkeypatch.setattr("models.database.PROGRESS_STEPS", 1)
        answer = client.get(ANALYTICS, headers=admin.headers)
        assert_problem(answer, 503, "storage_unavailable")


def test_sums_are_exact(database: Database, user: SignedIn) -> None:
    amounts = [Decimal("0.1"), Decimal("0.2"), Decimal("123456789012345678901234567890.000000000000000001")]
    for amount in amounts:
        order = add_order(database, user)
        add_trade(database, user, order, cost=amount)
    with database.read() as connection:
        total = connection.execute(select(exact_sum(models.Trade.cost))).scalar()
        none = connection.execute(select(exact_sum(models.Trade.cost)).where(models.Trade.id == "none")).scalar()
    assert total == Decimal("123456789012345678901234567890.300000000000000001")
    assert none is None


def test_the_first_id_of_a_moment_is_below_all_made_from_then_on() -> None:
    moment = datetime.now(UTC)
    made = ids.new_id()
    assert ids.first_id(moment) <= made < ids.first_id(moment + timedelta(seconds=5))
    assert ids.first_id(moment - timedelta(milliseconds=1)) < ids.first_id(moment)
