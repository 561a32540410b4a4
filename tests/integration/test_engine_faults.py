"""Commits that fail and things that happen at the same time: no order is lost, none acts on what is past."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

import models
from engine.accounts.account import Account
from engine.accounts.spot import SpotAccount
from models import Database
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.failures import Failures, Vanishing
from tests.manual_market import ManualMarket
from utils import clock
from utils.errors import Conflict, EngineFault, EngineTimeout, StorageUnavailable
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, CancelOrder, EditOrder, Order, OrderTicket, PlaceOrder


class Trading:
    """One user on the real engine, and the places where a test reaches into it."""

    def __init__(self, host: EngineHost, bridge: OctoBotBridge, market: ManualMarket, user: SignedIn) -> None:
        self.host, self.bridge = host, bridge
        self.account = user.account_id
        self._market = market
        self._actor = Actor(user_id=user.id)

    def put(self, price: int) -> None:
        """Move the market without letting it settle."""
        self._market.set_price(SYMBOL, Decimal(price))
        self.host.tick(settle=False)

    def settle(self) -> None:
        self.host.run(self.host.engine.settle())

    def place(self, side: str = "buy", type: str = "limit", *, key: str | None = None, **fields: Any) -> Order:
        exact: dict[str, Any] = {
            name: value if name == "time_in_force" else Decimal(value) for name, value in fields.items()
        }
        ticket = OrderTicket(symbol=SYMBOL, side=side, type=type, **{"amount": Decimal("0.01"), **exact})  # type: ignore[arg-type]
        return self.bridge.place_order(
            PlaceOrder(actor=self._actor, account=self.account, ticket=ticket, idempotency_key=key)
        )

    def cancel(self, order: Order) -> Order:
        return self.bridge.cancel_order(CancelOrder(actor=self._actor, account=self.account, order_id=order.id))

    def edit(self, order: Order, **changes: str) -> Order:
        exact: dict[str, Any] = {name: Decimal(value) for name, value in changes.items()}
        return self.bridge.edit_order(EditOrder(actor=self._actor, account=self.account, order_id=order.id, **exact))

    def in_memory(self) -> Account:
        return self.host.run(self.host.engine._accounts.get(self.account))

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keep the account's lock, as a long command does."""
        lock = self.in_memory().lock
        self.host.run(lock.acquire())
        try:
            yield
        finally:

            async def release() -> None:
                lock.release()

            self.host.run(release())

    def waiting(self, number: int) -> None:
        """Wait until `number` changes queue for the account's lock."""

        async def queue() -> None:
            lock = self.in_memory_now().lock
            while len(lock._waiters or ()) < number:  # noqa: ASYNC110 - a lock tells nobody who waits for it
                await asyncio.sleep(0.001)

        self.host.run(queue())

    def in_memory_now(self) -> Account:
        return self.host.engine._accounts._open[self.account]

    def row(self, database: Database, order: Order) -> Any:
        self.settle()
        return next(row for row in rows(database, models.Order) if row.id == order.id)


@pytest.fixture
def trading(host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn) -> Trading:
    trading = Trading(host, engine_bridge, market, user)
    trading.put(50_000)
    return trading


@pytest.fixture
def later() -> Iterator[Callable[..., Future[Any]]]:
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def test_a_price_that_comes_and_goes_while_the_account_is_busy_fills(trading: Trading, database: Database) -> None:
    limit = trading.place(price="49000")
    stop = trading.place("buy", "stop", stop_price="51000")
    with trading.busy():
        trading.put(48_900)
        trading.put(51_500)
        trading.put(50_000)
    assert (trading.row(database, limit).status, trading.row(database, limit).average) == ("filled", 49_000)
    assert (trading.row(database, stop).status, trading.row(database, stop).average) == ("filled", 51_500)
    assert differences(database, trading.bridge) == []


def test_an_edit_is_not_filled_at_a_price_from_before_it(
    trading: Trading, database: Database, later: Callable[..., Future[Any]]
) -> None:
    trading.place(type="market", amount="0.1")
    order = trading.place("sell", price="51000")
    with trading.busy():
        edit = later(trading.edit, order, price="52500")
        trading.waiting(1)
        trading.put(53_000)  # touches the order, but the edit is first in the queue
        trading.waiting(2)
        trading.put(52_000)
    assert edit.result().status == "accepted"
    assert trading.row(database, order).status == "accepted"
    trading.put(52_600)
    assert trading.row(database, order).average == 52_500


def test_a_cancel_that_loses_against_a_fill_says_so(
    trading: Trading, database: Database, later: Callable[..., Future[Any]]
) -> None:
    order = trading.place(price="49000")
    with trading.busy():
        trading.put(48_900)
        trading.waiting(1)
        cancel = later(trading.cancel, order)
        trading.waiting(2)
    with pytest.raises(Conflict, match="filled"):
        cancel.result()
    assert trading.row(database, order).status == "filled"


def test_reads_wait_for_the_change_under_way(trading: Trading, later: Callable[..., Future[Any]]) -> None:
    octobot = trading.in_memory().octobot
    rest, held = octobot.rest, threading.Event()

    async def slow(order: Order, mark: Decimal) -> None:
        await rest(order, mark)
        await asyncio.to_thread(held.wait)

    octobot.rest = slow  # type: ignore[method-assign]
    placed = later(trading.place, price="49000")
    trading.host.run(asyncio.sleep(0.05))
    listed = later(trading.bridge.open_orders, trading.account)
    trading.host.run(asyncio.sleep(0.05))
    held.set()
    assert listed.result() == [placed.result()]


def test_a_change_on_an_account_that_was_read_anew_leaves_the_index_alone(trading: Trading, database: Database) -> None:
    order = trading.place(price="49000")
    stale = trading.in_memory()
    cancel, anew = stale.octobot.cancel, []

    async def overtaken(order_id: str) -> None:
        await cancel(order_id)
        stale.line.broken = True  # an earlier unit could not be committed
        anew.append(asyncio.create_task(trading.host.engine._accounts.get(trading.account)))
        await asyncio.sleep(0.2)

    stale.octobot.cancel = overtaken  # type: ignore[method-assign]
    with pytest.raises(StorageUnavailable):
        trading.cancel(order)
    assert trading.in_memory() is not stale
    trading.put(48_900)
    assert trading.row(database, order).status == "filled"
    assert differences(database, trading.bridge) == []


def test_the_writer_outlives_whatever_goes_wrong(
    trading: Trading, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(trading.host.engine._journal, "_write", fail)
        with pytest.raises(EngineFault):
            trading.place(type="market")
    assert trading.place(type="market").status == "filled"
    assert len(rows(database, models.Trade)) == 1
    assert differences(database, trading.bridge) == []


def test_a_commit_without_an_answer_is_unknown_and_a_key_finds_it(
    trading: Trading, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    trading.in_memory()
    journal = trading.host.engine._journal

    vanishing = Vanishing(database, None)
    monkeypatch.setattr(journal, "_database", vanishing)
    monkeypatch.setattr("engine.journal.journal.OUTCOME_SECONDS", 0.2)
    with pytest.raises(EngineTimeout):
        trading.place(type="market", key="once")
    vanishing.breaks = False
    # the account is not read while the outcome is open: it could be the state from before
    with pytest.raises(StorageUnavailable):
        trading.place(type="market", key="another")
    vanishing.outcomes = [True]
    [stored] = rows(database, models.Order)
    assert trading.place(type="market", key="once").id == stored.id
    assert len(rows(database, models.Trade)) == 1
    assert differences(database, trading.bridge) == []


def test_a_trailing_level_never_goes_back(trading: Trading) -> None:
    order = trading.place(type="market", amount="0.1")
    order = trading.place("sell", "trailing_stop", trailing_percent="10")
    trading.put(60_000)

    async def late() -> None:
        # the level of an earlier tick, which waited for the database
        await trading.host.engine.desk.reactions.store_levels(trading.account, {order.id: Decimal(55_000)})

    trading.host.run(late())
    assert [each.trailing_level for each in trading.bridge.open_orders(trading.account)] == [60_000]


def test_an_order_that_cannot_be_booked_holds_up_none_that_is_touched_with_it(
    trading: Trading, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = trading.place(price="48000"), trading.place(price="48500")
    settle = SpotAccount._settle

    async def fail_for_first(account: SpotAccount, order: Order, *given: Any, **named: Any) -> Order:
        if order.id == broken.id:
            raise RuntimeError("a defect")
        return await settle(account, order, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(SpotAccount, "_settle", fail_for_first)
        trading.put(47_000)
        assert [trading.row(database, order).status for order in (broken, whole)] == ["accepted", "filled"]
    trading.put(47_000)
    assert trading.row(database, broken).status == "filled"
    assert differences(database, trading.bridge) == []


def test_one_order_that_cannot_expire_does_not_keep_the_others(
    trading: Trading, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (trading.place(price=price, time_in_force="day") for price in ("48000", "47000"))
    engine, expire = trading.host.engine, trading.host.engine.desk.reactions.expire

    async def fail_for_first(order: Order, moment: Any) -> None:
        if order.id == first.id:
            raise EngineFault("not this one")
        await expire(order, moment)

    monkeypatch.setattr(engine.desk.reactions, "expire", fail_for_first)
    trading.host.run(engine._do_chores_once(clock.now() + timedelta(days=1)))
    assert [trading.row(database, order).status for order in (first, second)] == ["accepted", "expired"]


def test_a_day_order_does_not_fill_after_its_day(
    trading: Trading, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = trading.place(price="49000", time_in_force="day")
    trading.host.stop()
    with database.write() as session:
        session.execute(update(models.Order).values(created_at=clock.now() - timedelta(days=1)))
    monkeypatch.setattr("engine.journal.records.Records.ended_day_orders", lambda *_: [])  # the chores are late
    trading.host.start()
    trading.put(48_900)
    assert trading.row(database, order).status == "expired"
    assert rows(database, models.Trade) == []


def test_a_key_that_waits_takes_over_when_the_first_fails(
    trading: Trading, database: Database, later: Callable[..., Future[Any]]
) -> None:
    trading.in_memory()
    failures = Failures()
    failures.install(trading.host.engine._journal)
    failures.left = 1
    with trading.busy():
        first = later(trading.place, type="market", key="same")
        trading.waiting(1)
        others = [later(trading.place, type="market", key="same") for _ in range(3)]
    with pytest.raises(StorageUnavailable):
        first.result()
    outcomes = {each.result().id for each in others if each.exception() is None}
    # the account is being read anew: who comes too early is sent away, and nothing is done
    assert {type(each.exception()) for each in others} <= {type(None), StorageUnavailable}
    assert trading.place(type="market", key="same").id in outcomes | {rows(database, models.Order)[0].id}
    assert len(rows(database, models.Order)) == len(rows(database, models.Trade)) == 1
    assert differences(database, trading.bridge) == []
