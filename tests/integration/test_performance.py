"""Equity curve, performance, allocation and aggregate over HTTP, in front of the real engine."""

from __future__ import annotations

import math
import statistics
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, insert, update

import models
from models import Database
from tests.books import rows
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from tests.problems import assert_problem
from utils import clock
from utils.money import plain
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture
def bridge(host: EngineHost, market: ManualMarket, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    put(host, market, BTC=50_000)
    return engine_bridge


def put(host: EngineHost, market: ManualMarket, **prices: int) -> None:
    for base, price in prices.items():
        market.set_price(f"{base}/USDT", Decimal(price))
    host.tick()


def read(client: FlaskClient, user: SignedIn, path: str, **query: str) -> Any:
    answer = client.get(f"/api/portfolio/{path}", query_string=query, headers=user.headers)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()["data"]


def trade(client: FlaskClient, user: SignedIn, side: str, amount: str, **more: str) -> None:
    body = {"symbol": "BTC/USDT", "side": side, "type": "market", "amount": amount, **more}
    assert client.post("/api/orders", json=body, headers=user.headers).status_code == 201


def pay(client: FlaskClient, user: SignedIn, currency: str, amount: str, account: str = "") -> None:
    path = f"/api/accounts/{account or user.account_id}/deposit"
    body = {"currency": currency, "amount": amount}
    assert client.post(path, json=body, headers=user.headers).status_code == 201


def past(database: Database, user: SignedIn, born: datetime, samples: list[tuple[datetime, int, int]]) -> None:
    """Let the account have been opened at `born` and have these samples alone: (at, value, deposited)."""
    with database.write() as session:
        mine = models.Account.id == user.account_id
        session.execute(update(models.Account).where(mine).values(created_at=born))
        session.execute(delete(models.EquitySample))
        session.execute(
            insert(models.EquitySample),
            [
                {"account_id": user.account_id, "at": at, "value": Decimal(value), "deposited": Decimal(deposited)}
                for at, value, deposited in samples
            ],
        )


# ------------------------------------------------------------------------------------------------ history


def test_a_fresh_account_has_one_point(client: FlaskClient, user: SignedIn) -> None:
    history = read(client, user, "history")
    assert (history["account"], history["mode"], history["period"]) == (user.account_id, "paper", "1m")
    assert [(point["value"], point["profit"]) for point in history["points"]] == [("10000", "0")]


def test_the_curve_ends_with_the_present_value(
    client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket
) -> None:
    trade(client, user, "buy", "0.1")
    put(host, market, BTC=60_000)
    host.run(host.engine.equities.sample(clock.now()))
    pay(client, user, "USDT", "500")
    put(host, market, BTC=70_000)
    points = read(client, user, "history", period="1d")["points"]
    assert [(point["value"], point["deposited"]) for point in points] == [
        ("10000", "10000"),
        ("10995", "10000"),
        ("11495", "10500"),
        ("12495", "10500"),
    ]
    assert points[-1]["profit"] == "1995"
    assert points == sorted(points, key=lambda point: point["at"])


def test_a_period_begins_with_what_was_there_before(client: FlaskClient, user: SignedIn, database: Database) -> None:
    client.get("/api/portfolio", headers=user.headers)
    now = clock.now()
    samples = [(now - timedelta(days=days), 10_000 - days, 10_000) for days in (400, 100, 50, 20, 5)]
    past(database, user, now - timedelta(days=500), samples)
    values = {
        period: [point["value"] for point in read(client, user, "history", period=period)["points"]]
        for period in ("1d", "1w", "1m", "3m", "1y", "all")
    }
    assert values == {
        "1d": ["9995", "10000"],
        "1w": ["9980", "9995", "10000"],
        "1m": ["9950", "9980", "9995", "10000"],
        "3m": ["9900", "9950", "9980", "9995", "10000"],
        "1y": ["9600", "9900", "9950", "9980", "9995", "10000"],
        "all": ["9600", "9900", "9950", "9980", "9995", "10000"],
    }
    first = read(client, user, "history", period="1w")["points"][0]["at"]
    assert abs(datetime.fromisoformat(first) - (now - timedelta(days=7))) < timedelta(minutes=1)


def test_many_samples_become_300_points(client: FlaskClient, user: SignedIn, database: Database) -> None:
    client.get("/api/portfolio", headers=user.headers)
    now = clock.now()
    samples = [(now - timedelta(minutes=number), 10_000 + number, 10_000) for number in range(1, 1400)]
    samples[700] = (samples[700][0], 99_999, 10_000)
    past(database, user, now - timedelta(days=2), samples)
    points = read(client, user, "history", period="1d")["points"]
    assert len(points) == 300
    assert (points[0]["value"], points[-1]["value"]) == ("11399", "10000")
    assert "99999" in [point["value"] for point in points]


def test_a_reset_is_where_the_curve_begins(client: FlaskClient, user: SignedIn) -> None:
    pay(client, user, "USDT", "90000")
    client.post(f"/api/accounts/{user.account_id}/reset", json={"starting_balance": "50"}, headers=user.headers)
    points = read(client, user, "history", period="all")["points"]
    assert [point["value"] for point in points] == ["50", "50"]
    performance = read(client, user, "performance", period="all")
    assert (performance["net_deposits"], performance["profit"]["amount"]) == ("0", "0")
    assert performance["time_weighted_return"] == "0"


@pytest.mark.parametrize("path", ["history", "performance"])
def test_bad_queries(client: FlaskClient, user: SignedIn, other: SignedIn, path: str) -> None:
    def get(**query: str) -> Any:
        return client.get(f"/api/portfolio/{path}", query_string=query, headers=user.headers)

    assert_problem(get(period="2d"), 422, "validation_failed")
    assert_problem(get(account=other.account_id), 404, "account_not_found")
    assert_problem(get(account="\x01"), 404, "account_not_found")


# -------------------------------------------------------------------------------------------- performance


def test_performance_by_hand(
    client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket, database: Database
) -> None:
    # the demo market takes 0.1 %: 5 of the purchase, 3 and 2 of the sales
    trade(client, user, "buy", "0.1")
    put(host, market, BTC=60_000)
    trade(client, user, "sell", "0.05")  # 2,997 for what cost 2,502.5
    pay(client, user, "USDT", "1000")
    put(host, market, BTC=40_000)
    trade(client, user, "sell", "0.04")  # 1,598.4 for what cost 2,002
    found = read(client, user, "performance", period="all")
    value = Decimal(10_000) - 5_005 + 2_997 + 1_000 + Decimal("1598.4") + 400
    assert (found["starting_value"], found["ending_value"]) == ("10000", plain(value))
    assert (found["net_deposits"], found["profit"]["amount"]) == ("1000", plain(value - 11_000))
    assert found["profit"]["percent"] == plain(round((value - 11_000) / 11_000 * 100, 4))
    assert (found["realized_pnl"], found["unrealized_pnl"]) == ("90.9", "-100.5")
    assert found["fees"] == {"total": "9.6", "by_currency": {"USDT": "9.6"}}
    assert (found["trades"], found["closed_trades"], found["win_rate"]) == (3, 2, "50")
    assert (found["best_trade"], found["worst_trade"]) == ("494.5", "-403.6")
    assert found["profit_factor"] == plain(round(Decimal("494.5") / Decimal("403.6"), 4))
    # before the deposit 10,992, right after it 11,992
    rise, fall = Decimal(10_992) / 10_000, value / 11_992
    assert found["time_weighted_return"] == plain(round((rise * fall - 1) * 100, 4))
    assert found["max_drawdown"] == plain(round((1 - fall) * 100, 4))
    assert found["basis"] == {"interval_seconds": 86400, "count": 0, "periods_per_year": 365, "risk_free_rate": "0"}
    assert found["sharpe_ratio"] is None


def test_ratios_come_from_the_samples(client: FlaskClient, user: SignedIn, database: Database) -> None:
    client.get("/api/portfolio", headers=user.headers)
    now = clock.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    levels = (10_000, 10_200, 10_098, 10_199, 10_199)
    samples = [(midnight - timedelta(days=4 - day), level, 10_000) for day, level in enumerate(levels)]
    past(database, user, now - timedelta(days=9), samples)
    found = read(client, user, "performance", period="1m")
    daily = [levels[day + 1] / levels[day] - 1 for day in range(4)]
    assert found["basis"]["count"] == 4
    assert float(found["sharpe_ratio"]) == pytest.approx(
        statistics.fmean(daily) / statistics.stdev(daily) * math.sqrt(365), abs=1e-4
    )
    assert float(found["volatility"]) == pytest.approx(statistics.stdev(daily) * math.sqrt(365) * 100, abs=1e-4)
    assert float(found["sortino_ratio"]) == pytest.approx(
        statistics.fmean(daily) / (0.01 / 2) * math.sqrt(365), abs=1e-3
    )


def test_an_untraded_account_has_nothing_to_tell(client: FlaskClient, user: SignedIn) -> None:
    found = read(client, user, "performance")
    assert {name for name, value in found.items() if value is None} == {
        *("win_rate", "profit_factor", "best_trade", "worst_trade", "time_weighted_return", "max_drawdown"),
        *("sharpe_ratio", "sortino_ratio", "volatility"),
    }
    assert (found["trades"], found["realized_pnl"], found["unrealized_pnl"]) == (0, "0", "0")
    assert found["fees"] == {"total": "0", "by_currency": {}}
    assert found["profit"] == {"amount": "0", "percent": "0"}


# ----------------------------------------------------------------------------------- allocation, aggregate


def extra(client: FlaskClient, user: SignedIn, balance: str) -> str:
    body = {"name": "Extra", "starting_balance": balance}
    account: str = client.post("/api/accounts", json=body, headers=user.headers).get_json()["data"]["id"]
    return account


def make_live(database: Database, account: str, **values: Any) -> None:
    with database.write() as session:
        mine = models.Account.id == account
        session.execute(update(models.Account).where(mine).values(mode="live", **values))


def test_allocation_sums_to_100(client: FlaskClient, user: SignedIn, other: SignedIn) -> None:
    second = extra(client, user, "5000")
    pay(client, user, "BTC", "0.1", second)
    found = read(client, user, "allocation")
    assert (found["currency"], found["missing"]) == ("USDT", [])
    [paper] = found["modes"]
    assert (paper["mode"], paper["value"]) == ("paper", "20000")
    assert [(one["name"], one["amount"], one["value"], one["percent"]) for one in paper["by_asset"]] == [
        ("USDT", "15000", "15000", "75"),
        ("BTC", "0.1", "5000", "25"),
    ]
    assert {(one["name"], one["percent"]) for one in paper["by_account"]} == {(user.account_id, "50"), (second, "50")}
    assert [(one["name"], one["percent"]) for one in paper["by_exchange"]] == [("demo", "100")]


def test_paper_and_live_are_never_one_figure(
    client: FlaskClient, user: SignedIn, database: Database, host: EngineHost
) -> None:
    second = extra(client, user, "300")
    client.get(f"/api/portfolio?account={second}", headers=user.headers)
    make_live(database, second)
    found = read(client, user, "aggregate")
    assert [(one["mode"], one["accounts"], one["value"]) for one in found["totals"]] == [
        ("paper", 1, "10000"),
        ("live", 1, "300"),
    ]
    assert [one["mode"] for one in read(client, user, "allocation")["modes"]] == ["paper", "live"]


def test_an_exchange_that_is_away_is_named_and_breaks_nothing(
    client: FlaskClient, user: SignedIn, database: Database
) -> None:
    second = extra(client, user, "300")
    client.get(f"/api/portfolio?account={second}", headers=user.headers)
    make_live(database, second, exchange="kraken")
    found = read(client, user, "aggregate", currency="btc")
    assert found["missing"] == [{"account": second, "exchange": "kraken", "code": "exchange_not_connected"}]
    assert [(one["account"], one["value"]) for one in found["accounts"]] == [(user.account_id, "0.2"), (second, None)]
    assert [(one["mode"], one["value"], one["complete"]) for one in found["totals"]] == [
        ("paper", "0.2", True),
        ("live", "0", False),
    ]
    assert read(client, user, "allocation")["missing"] == found["missing"]
    answer = client.get(f"/api/portfolio/history?account={second}", headers=user.headers)
    assert_problem(answer, 503, "exchange_not_connected")


def test_currencies_are_converted_and_what_is_not_is_listed(
    client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket
) -> None:
    market.set_price("ETH/BTC", Decimal("0.05"))
    put(host, market, ETH=2_500)
    pay(client, user, "ETH", "2")
    pay(client, user, "BTC", "0.1")
    found = read(client, user, "aggregate", currency="ETH")
    [account] = found["accounts"]
    assert (account["value"], account["profit"]) == ("8", "0")
    lost = read(client, user, "aggregate", currency="EUR")
    assert {one["currency"] for one in lost["unvalued"]} == {"USDT", "ETH", "BTC"}
    assert [one["complete"] for one in lost["totals"]] == [False]


def test_archived_accounts_and_those_of_others_do_not_count(
    client: FlaskClient, user: SignedIn, other: SignedIn, database: Database
) -> None:
    second = extra(client, user, "300")
    client.delete(f"/api/accounts/{second}", headers=user.headers)
    found = read(client, user, "aggregate")
    assert [one["account"] for one in found["accounts"]] == [user.account_id]
    assert len(rows(database, models.Account)) == 3
