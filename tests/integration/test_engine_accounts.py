"""Accounts in the engine's memory: opened side by side, away, and back."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from octobot_trading import exchange_data

import models
from engine.accounts.octobot import OctoBotAccount
from models import Database
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn, sign_in
from tests.failures import Failures
from tests.manual_market import ManualMarket
from utils.errors import EngineFault, StorageUnavailable
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, CancelOrder, CancelOrders, OrderTicket, PlaceOrder


def test_accounts_that_open_at_once_have_no_feed_of_their_own(host: EngineHost) -> None:
    async def open_together() -> list[str]:
        totals = {"USDT": Decimal(10_000)}
        accounts = await asyncio.gather(
            *(OctoBotAccount.open("demo", [SYMBOL], "USDT", totals, f"account {number}") for number in range(5))
        )
        await asyncio.sleep(0.1)
        running = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
        await asyncio.gather(*(account.close() for account in accounts))
        return [name for name in running if "Updater" in name]

    pollers = list(exchange_data.UNAUTHENTICATED_UPDATER_PRODUCERS)
    assert pollers
    assert host.run(open_together()) == []
    assert pollers == exchange_data.UNAUTHENTICATED_UPDATER_PRODUCERS


async def lag_of(work: Coroutine[Any, Any, Any]) -> tuple[float, float]:
    """Return what `work` took and the longest that the loop kept others waiting meanwhile.

    Both are seconds of this thread's processor time, which other processes of the machine do not lengthen.
    """
    task, worst, started = asyncio.ensure_future(work), 0.0, time.thread_time()
    while not task.done():
        before = time.thread_time()
        await asyncio.sleep(0.001)
        worst = max(worst, time.thread_time() - before)
    await task
    return time.thread_time() - started, worst


def test_an_account_of_many_orders_does_not_hold_up_the_others(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn, market: ManualMarket
) -> None:
    market.set_price(SYMBOL, Decimal(50_000))
    host.tick()
    actor = Actor(user_id=user.id)
    ticket = OrderTicket(symbol=SYMBOL, side="buy", type="limit", amount=Decimal("0.001"), price=Decimal(20_000))
    place = PlaceOrder(actor=actor, account=user.account_id, ticket=ticket)

    async def place_many() -> None:
        await asyncio.gather(*(host.engine.desk.place(place) for _ in range(200)))

    async def open_account() -> None:
        assert len((await host.engine._accounts.get(user.account_id)).orders) == 200

    async def cancel_all() -> None:
        assert len(await host.engine.desk.cancel_all(CancelOrders(actor=actor, account=user.account_id))) == 200

    async def fill_all() -> None:
        await host.engine.market.tick()
        await host.engine.settle()

    gc.collect()
    gc.disable()  # its pauses are another matter
    try:
        host.run(place_many())
        host.stop()
        host.start()
        opening, canceling = host.run(lag_of(open_account())), host.run(lag_of(cancel_all()))
        host.run(place_many())
        market.set_price(SYMBOL, Decimal(19_000))
        filling = host.run(lag_of(fill_all()))
    finally:
        gc.enable()
    for took, lag in (opening, canceling, filling):
        assert lag < took / 3, (opening, canceling, filling)
    assert engine_bridge.portfolio(user.account_id).currencies["BTC"].total == Decimal("0.2")


def test_a_tick_that_touches_many_accounts_lets_requests_through(
    host: EngineHost, market: ManualMarket, app: Flask, database: Database
) -> None:
    users = [sign_in(app, database) for _ in range(40)]
    market.set_price(SYMBOL, Decimal(50_000))
    host.tick()
    ticket = OrderTicket(symbol=SYMBOL, side="buy", type="limit", amount=Decimal("0.01"), price=Decimal(45_000))

    async def place_all() -> None:
        commands = [PlaceOrder(actor=Actor(user_id=u.id), account=u.account_id, ticket=ticket) for u in users]
        await asyncio.gather(*(host.engine.desk.place(command) for command in commands))

    async def fill_all() -> None:
        await host.engine.market.tick()
        await host.engine.settle()

    host.run(place_all())
    host.stop()
    host.start()
    market.set_price(SYMBOL, Decimal(44_000))
    gc.collect()
    gc.disable()
    try:
        took, lag = host.run(lag_of(fill_all()))
    finally:
        gc.enable()
    assert lag < took / 3, (took, lag)
    assert differences(database) == []
    assert {order.status for order in rows(database, models.Order)} == {"filled"}


def test_what_is_being_committed_while_another_change_fails_is_kept(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn, market: ManualMarket, database: Database
) -> None:
    market.set_price(SYMBOL, Decimal(50_000))
    host.tick()
    ticket = OrderTicket(symbol=SYMBOL, side="buy", type="limit", amount=Decimal("0.01"), price=Decimal(45_000))
    place = PlaceOrder(actor=Actor(user_id=user.id), account=user.account_id, ticket=ticket)
    engine_bridge.portfolio(user.account_id)
    journal, account = host.engine._journal, host.engine._accounts._open[user.account_id]
    write, writing, go_on = journal._write, threading.Event(), threading.Event()

    def slow_write(*units: Any) -> None:
        writing.set()
        go_on.wait(60)
        write(*units)

    async def fail(*_: Any) -> None:
        raise RuntimeError("a defect")

    journal._write = slow_write  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(engine_bridge.place_order, place)
        assert writing.wait(60)
        account.octobot.rest = fail  # type: ignore[assignment,method-assign]
        with pytest.raises(EngineFault):
            engine_bridge.place_order(place)
        host.run(asyncio.sleep(0.2))  # the account is being read anew
        go_on.set()
    assert [order.id for order in engine_bridge.open_orders(user.account_id)] == [first.result().id]
    assert differences(database, engine_bridge) == []


def test_an_order_whose_cancel_was_not_stored_still_fills(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn, market: ManualMarket, database: Database
) -> None:
    market.set_price(SYMBOL, Decimal(50_000))
    host.tick()
    actor = Actor(user_id=user.id)
    ticket = OrderTicket(symbol=SYMBOL, side="buy", type="limit", amount=Decimal("0.01"), price=Decimal(45_000))
    order = engine_bridge.place_order(PlaceOrder(actor=actor, account=user.account_id, ticket=ticket))
    failures = Failures()
    failures.install(host.engine._journal)
    failures.left = 1
    with pytest.raises(StorageUnavailable):
        engine_bridge.cancel_order(CancelOrder(actor=actor, account=user.account_id, order_id=order.id))

    async def read_anew() -> None:
        await asyncio.gather(*host.engine._accounts._reopening)

    host.run(read_anew())
    failures.left = 1
    with pytest.raises(StorageUnavailable):
        engine_bridge.place_order(PlaceOrder(actor=actor, account=user.account_id, ticket=ticket))
    host.run(read_anew())
    assert engine_bridge.status().open_orders == 1  # the index has what SQL has
    market.set_price(SYMBOL, Decimal(44_000))
    host.tick()
    assert [row.status for row in rows(database, models.Order)] == ["filled"]
    assert differences(database, engine_bridge) == []
