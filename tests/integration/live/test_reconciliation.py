"""A restored database is behind its exchange: what happened since is found there, once, before anything is traded."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import models
from config import Settings
from engine.live.trader import client_id
from models.events import RECONCILE
from services import backups
from tests.books import rows
from tests.exchanges.faults import Fault
from tests.integration.live.conftest import Restore
from tests.integration.live.house import OWNER, QUICK, House
from utils import wire
from utils.errors import EngineUnavailable, TradingError


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def is_marked(house: House) -> bool:
    return any(row.key.startswith(RECONCILE) for row in rows(house.database, models.Installation))


def settled(house: House) -> None:
    house.until(lambda: not is_marked(house))
    house.until(lambda: not house.uncertain())


def trades_of(house: House) -> list[Any]:
    with house.database.read() as connection:
        return list(connection.execute(select(models.Trade.__table__).order_by(models.Trade.id)))


def test_what_happened_after_the_backup_is_adopted_once(
    house: House, settings: Settings, directory: Path, restore: Restore
) -> None:
    book = house.exchange.book
    filled, canceled, partial, edited = (house.place(price=str(40_000 + number)) for number in range(4))
    early = house.place("sell", type="market", amount="0.01")
    made = backups.backup(settings, directory)

    book.fill(house.there(filled)[0].id, "0.01")
    house.cancel(canceled)
    book.fill(house.there(partial)[0].id, "0.003")
    successor = house.edit(edited, price="41500")
    opened = house.place(price="39000", client_order_id="mine")
    half = house.place(price="39001")
    book.fill(house.there(half)[0].id, "0.004")
    whole = house.place(price="39002")
    book.fill(house.there(whole)[0].id, "0.01")
    gone = house.place(price="39003")
    book.fill(house.there(gone)[0].id, "0.002")
    house.cancel(gone)
    market = house.place(type="market", amount="0.02")
    missed = house.place(time_in_force="ioc")
    book.deposit(OWNER, "USDT", "123")
    book.withdraw(OWNER, "BTC", "0.5")
    house.exchange.faults.add(Fault("garbage", on="place", count=1))
    unknown = house.place(price="39004")
    there_before = len(book.orders(OWNER))
    house.close()

    restore(made)
    assert is_marked(house)
    house.exchange.faults.add(Fault("error", on="query"))  # it is not over before somebody tried to trade
    house.start()
    house.until(house.is_open)
    with pytest.raises(EngineUnavailable) as error:
        house.place(key="early")
    assert error.value.code == "account_reconciling"
    house.exchange.faults.clear()
    settled(house)

    house.until(lambda: house.disagreements() == [])
    statuses = {order.id: (order.status, order.filled) for order in house.orders()}
    accepted = ("accepted", Decimal(0))
    assert statuses == {
        filled.id: ("filled", Decimal("0.01")),
        canceled.id: ("canceled", Decimal(0)),
        partial.id: ("partially_filled", Decimal("0.003")),
        edited.id: ("canceled", Decimal(0)),
        early.id: ("filled", Decimal("0.01")),
        successor.id: accepted,
        opened.id: accepted,
        half.id: ("partially_filled", Decimal("0.004")),
        whole.id: ("filled", Decimal("0.01")),
        gone.id: ("canceled", Decimal("0.002")),
        market.id: ("filled", Decimal("0.02")),
        missed.id: ("expired", Decimal(0)),
        unknown.id: accepted,
    }
    adopted = house.order(opened)
    assert (adopted.side, adopted.type, adopted.amount, adopted.price) == ("buy", "limit", opened.amount, 39_000)
    assert abs((adopted.created_at - opened.created_at).total_seconds()) < 0.01
    assert len(trades_of(house)) == len(book.trades(OWNER))
    assert len(book.orders(OWNER)) == there_before
    kinds = house.kinds()
    assert kinds.count("external") == 2

    with pytest.raises(TradingError) as taken:  # a client that does not know whether it has placed it
        house.place(price="39000", client_order_id="mine")
    assert taken.value.code == "duplicate_client_order_id"
    order = house.place(key="early")  # it trades again, with the same key
    assert order.status == "accepted"
    assert house.cancel(opened).status == "canceled"
    house.restart()  # and nothing is adopted twice
    house.until(lambda: house.disagreements() == [])
    assert house.kinds() == kinds


def test_an_order_that_arrives_after_the_restore_is_adopted_too(
    house: House, settings: Settings, directory: Path, restore: Restore
) -> None:
    house.timing = replace(QUICK, window=5.0)  # the exchange still takes it, however busy the machine is
    house.restart()
    house.until(house.is_open)
    made = backups.backup(settings, directory)
    house.exchange.faults.add(Fault("late", on="place", seconds=0.9, count=1))
    house.place()
    house.exchange.book.lag = 0.4
    house.close()
    restore(made)
    house.start()
    settled(house)
    (order,) = house.orders()
    assert [client_id(order)] == [each.client_id for each in house.exchange.book.orders(OWNER)]
    assert order.status == "accepted"
    assert house.disagreements() == []


def test_reconciling_outlives_an_exchange_that_fails_and_another_end(
    house: House, settings: Settings, directory: Path, restore: Restore
) -> None:
    made = backups.backup(settings, directory)
    orders = [house.place(price=str(40_000 + number)) for number in range(25)]
    book = house.exchange.book
    book.fill(house.there(orders[3])[0].id, "0.004")
    house.cancel(orders[4])
    house.close()
    restore(made)
    house.exchange.faults.add(Fault("error", on="query", probability=0.3, count=20))
    house.start()
    house.until(lambda: len(house.orders()) > 3)
    house.close()
    house.exchange.faults.clear()
    house.exchange.faults.add(Fault("error", on="query"))
    house.start()
    with pytest.raises(TradingError):
        house.place()
    house.exchange.faults.clear()
    settled(house)
    assert {order.id for order in house.orders()} == {order.id for order in orders}
    house.until(lambda: house.disagreements() == [])


def test_a_stranger_with_the_same_keys_stays_a_stranger(
    house: House, settings: Settings, directory: Path, restore: Restore
) -> None:
    made = backups.backup(settings, directory)
    ours = house.place()
    (there,) = house.there(ours)
    for name in ("theirs", "0" * 32, "f47ac10b58cc4372a5670e02b2c3d479"):
        house.exchange.book.place(OWNER, replace(there.ticket, client_id=name))
    house.close()
    restore(made)
    house.start()
    settled(house)
    assert [order.id for order in house.orders()] == [ours.id]


def test_an_account_that_catches_up_is_not_archived_but_can_be_read_and_cancelled(
    house: House, settings: Settings, directory: Path, restore: Restore
) -> None:
    order = house.place()
    made = backups.backup(settings, directory)
    house.close()
    restore(made)
    house.exchange.faults.add(Fault("error", on="query"))
    house.start()
    house.until(house.is_open)
    actor = wire.Actor(user_id=house.user)
    for attempt in (
        lambda: house.edit(order, price="41000"),
        lambda: house.bridge.archive_account(wire.ArchiveAccount(actor=actor, account=house.account)),
    ):
        with pytest.raises(EngineUnavailable) as error:
            attempt()
        assert error.value.code == "account_reconciling"
    assert house.bridge.portfolio(house.account).open_orders == 1
    house.exchange.faults.clear()
    settled(house)
    assert house.final(order).status == "canceled"  # the archive had asked for it
    assert [each for each in house.exchange.book.orders(OWNER) if each.status == "open"] == []


@pytest.mark.parametrize("kind", ["stop", "stop_limit"])
def test_a_held_order_that_was_sent_after_the_backup_is_not_sent_again(
    house: House, settings: Settings, directory: Path, restore: Restore, kind: wire.OrderType
) -> None:
    house.quote("50000")
    price = {"price": "60000" if kind == "stop_limit" else None}
    order = house.place("sell", type=kind, stop_price="45000", **price)
    waiting = house.place("sell", type="stop", stop_price="30000", price=None)
    made = backups.backup(settings, directory)
    house.quote("45000")
    house.until(lambda: house.order(order).exchange_order_id)
    house.close()

    restore(made)
    house.start()
    house.quote("44000")
    settled(house)
    house.until(lambda: house.disagreements() == [])
    assert len(house.there(order)) == 1
    assert house.order(order).status == ("filled" if kind == "stop" else "accepted")
    assert house.there(waiting) == []
    house.quote("30000")
    house.until(lambda: house.order(waiting).status == "filled")
    house.until(lambda: house.disagreements() == [])
