"""Accounts that nobody uses leave the engine's memory, and nobody can tell."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import ccxt.async_support as ccxt_async
import pytest
from flask import Flask
from octobot_commons.logging import BotLogger, get_logger
from octobot_commons.tree import EventProvider
from octobot_trading.enums import StatesMessages
from octobot_trading.exchanges import ExchangeManager, Exchanges
from octobot_trading.personal_data.orders.order_state import OrderState
from octobot_trading.personal_data.orders.states import open_order_state
from octobot_trading.personal_data.portfolios.portfolio import Portfolio

import models
from engine import octobot_log
from engine.accounts import accounts
from engine.demo.exchange import DemoClient
from models import Database
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn, sign_in
from tests.manual_market import ManualMarket
from tests.streamer_host import until
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, CancelOrder, OrderTicket, PlaceOrder


def place(user: SignedIn, **ticket: Any) -> PlaceOrder:
    limit = {"symbol": SYMBOL, "side": "buy", "type": "limit", "amount": Decimal("0.01"), "price": Decimal(45_000)}
    return PlaceOrder(actor=Actor(user_id=user.id), account=user.account_id, ticket=OrderTicket(**{**limit, **ticket}))


def close_idle(host: EngineHost, *, idle_seconds: float = 0, most: int = 1000) -> int:
    return host.run(host.engine._accounts.close_idle(idle_seconds=idle_seconds, most=most))


@pytest.fixture(autouse=True)
def price(host: EngineHost, market: ManualMarket) -> None:
    market.set_price(SYMBOL, Decimal(50_000))
    host.tick()


def test_an_idle_account_comes_back_as_it_was(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn, database: Database
) -> None:
    order = engine_bridge.place_order(place(user))
    engine_bridge.place_order(place(user, type="market", price=None))
    before = engine_bridge.portfolio(user.account_id)
    assert close_idle(host) == 1
    assert engine_bridge.status().accounts_in_memory == 0
    assert engine_bridge.status().open_orders == 1
    after = engine_bridge.portfolio(user.account_id)
    assert (after.currencies, after.open_orders) == (before.currencies, before.open_orders)
    assert engine_bridge.open_orders(user.account_id) == [order]
    assert differences(database, engine_bridge) == []


def test_orders_of_an_account_that_was_closed_still_fill(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn, market: ManualMarket, database: Database
) -> None:
    engine_bridge.place_order(place(user))
    close_idle(host)
    market.set_price(SYMBOL, Decimal(44_000))
    host.tick()
    assert [row.status for row in rows(database, models.Order)] == ["filled"]
    assert differences(database, engine_bridge) == []


def test_beyond_the_maximum_those_unused_for_longest_go(
    host: EngineHost,
    engine_bridge: OctoBotBridge,
    app: Flask,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = [sign_in(app, database) for _ in range(4)]
    for user in (*users, users[0]):
        engine_bridge.portfolio(user.account_id)
    assert close_idle(host, idle_seconds=600, most=2) == 0, "all of them were used a moment ago"
    monkeypatch.setattr(accounts, "IN_USE_SECONDS", 0)
    assert close_idle(host, idle_seconds=600, most=2) == 2
    assert list(host.engine._accounts._open) == [users[3].account_id, users[0].account_id]


def test_an_order_that_is_being_stored_keeps_its_account(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn, database: Database
) -> None:
    engine_bridge.portfolio(user.account_id)
    journal = host.engine._journal
    write, writing, go_on = journal._write, threading.Event(), threading.Event()

    def slow_write(*units: Any) -> None:
        writing.set()
        go_on.wait(60)
        write(*units)

    journal._write = slow_write  # type: ignore[assignment]
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(engine_bridge.place_order, place(user))
        assert writing.wait(60)
        closing = pool.submit(close_idle, host)
        until(host.engine._accounts._open[user.account_id].lock.locked)  # it waits for what is being stored
        assert engine_bridge.status().accounts_in_memory == 1, "what is not in SQL yet is in memory alone"
        second = pool.submit(engine_bridge.place_order, place(user, price=Decimal(44_000)))
        host.run(asyncio.sleep(0.1))
        go_on.set()
        assert closing.result() == 1
        assert second.result().status == "accepted"
        assert engine_bridge.status().accounts_in_memory == 1, "what came while the account was closing opens it anew"
    placed = {first.result().id, second.result().id}
    assert {order.id for order in engine_bridge.open_orders(user.account_id)} == placed
    assert {row.id for row in rows(database, models.Order)} == placed
    assert differences(database, engine_bridge) == []


def test_a_client_order_id_that_is_being_checked_keeps_its_account(
    host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn
) -> None:
    engine_bridge.portfolio(user.account_id)
    records = host.engine._records
    has, asked, go_on = records.has_client_order_id, threading.Event(), threading.Event()

    def slow(account_id: str, client_order_id: str) -> bool:
        asked.set()
        go_on.wait(60)
        return has(account_id, client_order_id)

    records.has_client_order_id = slow  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as pool:
        placing = pool.submit(engine_bridge.place_order, place(user, client_order_id="mine"))
        assert asked.wait(60)
        assert close_idle(host) == 0
        go_on.set()
        assert placing.result().client_order_id == "mine"


def test_closed_accounts_leave_nothing_behind(host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn) -> None:
    managers: weakref.WeakSet[ExchangeManager] = weakref.WeakSet()
    trees = EventProvider.instance()._event_tree_by_bot_id
    known, exchanges = set(trees), dict(Exchanges.instance().exchanges)
    engine_bridge.place_order(place(user))
    for _ in range(20):
        engine_bridge.portfolio(user.account_id)
        managers.add(host.engine._accounts._open[user.account_id].octobot._manager)
        assert close_idle(host) == 1
    gc.collect()
    # the loop's last task may still hold the last one
    assert len(managers) <= 1
    assert set(trees) == known
    assert Exchanges.instance().exchanges == exchanges


def test_an_exchange_that_is_built_later_can_do_what_the_first_can() -> None:
    DemoClient()
    later = DemoClient()
    assert vars(ccxt_async.Exchange()).keys() <= vars(later).keys()
    assert later.fetchTicker.__func__ is DemoClient.fetch_ticker


def test_orders_leave_no_loggers_behind(host: EngineHost, engine_bridge: OctoBotBridge, user: SignedIn) -> None:
    def trade() -> None:
        order = engine_bridge.place_order(place(user))
        engine_bridge.cancel_order(
            CancelOrder(actor=Actor(user_id=user.id), account=user.account_id, order_id=order.id)
        )
        engine_bridge.place_order(place(user, type="market", price=None))

    trade()
    known = set(logging.root.manager.loggerDict)
    trade()
    assert set(logging.root.manager.loggerDict) - known == set()


def test_octobot_warns_but_does_not_chat(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for owner, name in (
        (BotLogger, "debug"),
        (BotLogger, "info"),
        (BotLogger, "warning"),
        (OrderState, "log_event_message"),
        (Portfolio, "log_portfolio_update_from_order"),
        (open_order_state, "portfolio_util"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # so that it is put back
    octobot_log.only_warnings()
    with caplog.at_level(logging.DEBUG):
        logger = get_logger("an order")
        logger.debug("created")
        logger.info("opened")
        logger.warning("No exchange API key set for binance. Enter your account details to enable real trading.")
        logger.warning("lost")
    assert [record.message for record in caplog.records] == ["lost"]
    caplog.clear()
    state: Any = SimpleNamespace(get_logger=lambda: logger, order="an order", exchange_manager=None)
    with caplog.at_level(logging.DEBUG):
        OrderState.log_event_message(state, StatesMessages.OPEN)
        OrderState.log_event_message(state, StatesMessages.SYNCHRONIZING_ERROR, error=ValueError("away"))
    assert [record.message for record in caplog.records if "an order" in record.message]
    assert all(record.levelno >= logging.ERROR for record in caplog.records)
