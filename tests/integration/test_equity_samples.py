"""Samples of what accounts are worth: taken without opening them, thinned by age, true to deposits."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import insert

import models
from models import Database
from tests.books import differences, rows
from tests.engine_host import EngineHost
from tests.factories import SignedIn, sign_in
from tests.manual_market import ManualMarket
from utils import clock
from utils.errors import StorageUnavailable
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, ArchiveAccount, DepositFunds, OrderTicket, PlaceOrder, ResetAccount


def samples(database: Database, account: str) -> list[tuple[Decimal, Decimal]]:
    return [(row.value, row.deposited) for row in rows(database, models.EquitySample) if row.account_id == account]


def put(host: EngineHost, market: ManualMarket, price: int) -> None:
    market.set_price("BTC/USDT", Decimal(price))
    host.tick()


def buy(bridge: OctoBotBridge, user: SignedIn, amount: str = "0.1") -> None:
    ticket = OrderTicket(symbol="BTC/USDT", side="buy", type="market", amount=Decimal(amount))
    bridge.place_order(PlaceOrder(actor=Actor(user_id=user.id), account=user.account_id, ticket=ticket))


def test_samples_follow_the_price_without_opening_anything(
    host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn, database: Database
) -> None:
    put(host, market, 50_000)
    buy(engine_bridge, user)
    host.stop()
    host.start()
    for price in (50_000, 60_000, 60_000, 40_000):
        put(host, market, price)
        host.run(host.engine.equities.sample(clock.now()))
    assert engine_bridge.status().accounts_in_memory == 0
    # the opening, then each price once: what stays as it was is not written again
    assert samples(database, user.account_id) == [
        (10_000, 10_000),
        (Decimal("9995"), 10_000),
        (Decimal("10995"), 10_000),
        (Decimal("8995"), 10_000),
    ]
    assert engine_bridge.portfolio(user.account_id).total_value == 8_995


def test_deposits_and_resets_are_sampled_as_they_happen(
    host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn, database: Database
) -> None:
    put(host, market, 50_000)
    actor = Actor(user_id=user.id)
    engine_bridge.deposit(DepositFunds(actor=actor, account=user.account_id, currency="BTC", amount=Decimal("0.1")))
    put(host, market, 60_000)
    engine_bridge.deposit(DepositFunds(actor=actor, account=user.account_id, currency="USDT", amount=Decimal(100)))
    engine_bridge.reset_account(ResetAccount(actor=actor, account=user.account_id))
    assert samples(database, user.account_id) == [
        (10_000, 10_000),
        (15_000, 15_000),
        (16_100, 15_100),
        (10_000, 10_000),
    ]
    engine_bridge.archive_account(ArchiveAccount(actor=actor, account=user.account_id))
    put(host, market, 70_000)
    host.run(host.engine.equities.sample(clock.now()))
    assert len(samples(database, user.account_id)) == 4  # an archived account is over


def test_a_sample_that_was_not_stored_is_taken_again(
    host: EngineHost,
    engine_bridge: OctoBotBridge,
    user: SignedIn,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine_bridge.portfolio(user.account_id)

    def fail(_rows: object) -> None:
        raise StorageUnavailable("The database did not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(host.engine.equities._holdings, "add_samples", fail)
        with pytest.raises(StorageUnavailable):
            host.run(host.engine.equities.sample(clock.now()))
    assert host.run(host.engine.equities.sample(clock.now())) == 1
    assert host.run(host.engine.equities.sample(clock.now())) == 0
    assert len(samples(database, user.account_id)) == 2


def test_accounts_that_were_never_opened_have_nothing_to_sample(
    host: EngineHost, user: SignedIn, database: Database
) -> None:
    assert host.run(host.engine.equities.sample(clock.now())) == 0
    assert samples(database, user.account_id) == []


def test_a_market_without_a_price_leaves_no_dent(
    host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn, database: Database
) -> None:
    put(host, market, 50_000)
    buy(engine_bridge, user)
    quote = host.engine.market.quotes.pop("BTC/USDT")
    host.run(host.engine.equities.sample(clock.now()))
    assert samples(database, user.account_id) == [(10_000, 10_000)]
    host.engine.market.quotes["BTC/USDT"] = quote
    host.run(host.engine.equities.sample(clock.now()))
    assert samples(database, user.account_id)[1:] == [(9_995, 10_000)]


def test_an_exchange_that_is_away_is_told_and_breaks_nothing(
    host: EngineHost, engine_bridge: OctoBotBridge, app: Flask, user: SignedIn, database: Database
) -> None:
    away = sign_in(app, database)
    with database.write() as session:
        session.connection().exec_driver_sql(f"UPDATE accounts SET exchange = 'kraken' WHERE id = '{away.account_id}'")
    first, second = engine_bridge.equity([away.account_id, user.account_id])
    assert (first.value, first.missing, first.exchange) == (None, "exchange_not_connected", "kraken")
    assert [(stake.currency, stake.amount, stake.value) for stake in first.stakes] == [("USDT", 10_000, None)]
    assert (second.value, second.missing) == (10_000, None)
    host.run(host.engine.equities.sample(clock.now()))


def test_positions_in_perpetuals_count_with_what_they_would_gain(
    host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn, database: Database
) -> None:
    symbol, actor = "BTC/USDT:USDT", Actor(user_id=user.id)
    with database.write() as session:
        session.connection().exec_driver_sql(f"UPDATE accounts SET type = 'futures' WHERE id = '{user.account_id}'")
    market.set_price(symbol, Decimal(50_000))
    host.tick()
    ticket = OrderTicket(symbol=symbol, side="buy", type="market", amount=Decimal("0.1"))
    engine_bridge.place_order(PlaceOrder(actor=actor, account=user.account_id, ticket=ticket))
    market.set_price(symbol, Decimal(60_000))
    host.tick()
    engine_bridge.deposit(DepositFunds(actor=actor, account=user.account_id, currency="USDT", amount=Decimal(70)))
    [equity] = engine_bridge.equity([user.account_id])
    portfolio = engine_bridge.portfolio(user.account_id)
    assert equity.unrealized_pnl == 1_000
    assert equity.value == portfolio.total_value
    assert (equity.deposited, portfolio.profit.amount) == (10_070, portfolio.total_value - 10_070)
    market.set_price(symbol, Decimal(55_000))
    host.tick()
    host.run(host.engine.equities.sample(clock.now()))
    assert samples(database, user.account_id)[-2:] == [(equity.value, 10_070), (equity.value - 500, 10_070)]
    engine_bridge.reset_account(ResetAccount(actor=actor, account=user.account_id))
    [anew] = engine_bridge.equity([user.account_id])
    assert (anew.value, anew.unrealized_pnl, anew.deposited) == (10_000, 0, 10_000)
    assert differences(database, engine_bridge) == []


# -------------------------------------------------------------------------------------------- thinning


def fill(database: Database, account: str, now: datetime, days: int, step: timedelta, flows: set[int]) -> int:
    """Write samples every `step`; a deposit of one at the numbers in `flows`. Return how many."""
    values, deposited = [], Decimal(100)
    count = int(timedelta(days=days) / step)
    for number in range(count):
        deposited += number in flows
        at = now - timedelta(days=days) + number * step
        values.append({"account_id": account, "at": at, "value": Decimal(number), "deposited": deposited})
    with database.write() as session:
        session.execute(insert(models.EquitySample), values)
    return count


@pytest.mark.parametrize("again", [1, 3])
def test_samples_are_thinned_by_age(
    host: EngineHost, user: SignedIn, other: SignedIn, database: Database, again: int
) -> None:
    now = clock.now()
    flows = {7, 1_000, 1_001}
    fill(database, user.account_id, now, 12, timedelta(minutes=5), flows)
    fill(database, other.account_id, now, 12, timedelta(minutes=5), set())
    before = {row.at: row for row in rows(database, models.EquitySample) if row.account_id == user.account_id}
    # as every hour of twelve days would have done
    for hours in range(12 * 24, -1, -24):
        host.run(host.engine.equities.thin(now - timedelta(hours=hours)))
    for _ in range(again):
        host.run(host.engine.equities.thin(now))
    kept = [row for row in rows(database, models.EquitySample) if row.account_id == user.account_id]
    recent = [row for row in kept if row.at > now - timedelta(hours=26)]
    week = [row for row in kept if now - timedelta(days=8) < row.at <= now - timedelta(hours=26)]
    older = [row for row in kept if row.at <= now - timedelta(days=8)]
    assert len(recent) == 26 * 12 - 1
    assert (8 * 24 - 26) * 2 - 4 <= len(week) <= (8 * 24 - 26) * 2 + 8
    assert 4 * 8 - 2 <= len(older) <= 4 * 8 + 16
    deposits = [row.deposited for row in kept]
    assert sorted(set(deposits)) == [100, 101, 102, 103]  # no deposit has lost its moment
    for level in (102, 103):
        first = next(row for row in kept if row.deposited == level)
        assert first.value in {1_000, 1_001}
    assert all(before[row.at].value == row.value for row in kept)
    mine = {row.at for row in kept}
    assert len(mine) == len(kept)
