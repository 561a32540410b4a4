"""Commands that meet while the exchange is slow, and those that concern many orders."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from config import Settings
from engine.live.spot import LiveSpotAccount
from models import Database
from tests.exchanges.faults import Fault
from tests.exchanges.server import Loopback
from tests.integration.live.house import OWNER, QUICK, House
from utils import wire


@pytest.fixture
def patient(settings: Settings, database: Database, exchange: Loopback) -> Iterator[House]:
    """A house that waits for the exchange until the test lets it go."""
    house = House(settings, database, exchange, replace(QUICK, send=60.0))
    house.until(house.is_open)
    yield house
    house.close()


def _started(house: House, results: list[wire.Order]) -> threading.Thread:
    thread = threading.Thread(target=lambda: results.append(house.place()))
    thread.start()
    house.until(house.orders)
    return thread


def test_an_order_that_is_cancelled_while_it_is_sent_does_not_stay(patient: House) -> None:
    patient.total("USDT")
    patient.exchange.faults.add(Fault("stall", on="place", seconds=60, count=1))
    answers: list[wire.Order] = []
    thread = _started(patient, answers)
    (order,) = patient.orders()
    patient.until(lambda: patient.there(order))
    assert patient.cancel(order).status == "pending_new"
    patient.exchange.let_go()
    thread.join()
    assert patient.final(order).status == "canceled"
    assert [each.status for each in patient.there(order)] == ["cancelled"]
    assert patient.disagreements() == []


def test_reads_and_other_orders_do_not_wait_for_an_exchange_that_is_slow(patient: House) -> None:
    patient.total("USDT")
    patient.exchange.faults.add(Fault("stall", on="place", seconds=60, count=1))
    answers: list[wire.Order] = []
    thread = _started(patient, answers)
    patient.until(lambda: patient.there(patient.orders()[0]))
    assert patient.bridge.portfolio(patient.account).open_orders == 1
    assert patient.place().status == "accepted"
    assert answers == []
    patient.exchange.let_go()
    thread.join()
    assert [order.status for order in answers] == ["accepted"]
    assert patient.disagreements() == []


def test_all_orders_are_cancelled_also_while_the_exchange_fails(house: House) -> None:
    placed = [house.place(price=str(40_000 + number)) for number in range(6)]
    house.exchange.faults.add(Fault("hang", on="cancel", accept=False, count=2))
    house.exchange.faults.add(Fault("error", on="cancel", count=2))
    actor = wire.Actor(user_id=house.user)
    answered = house.bridge.cancel_orders(wire.CancelOrders(actor=actor, account=house.account))
    assert {order.status for order in answered} <= {"pending_cancel", "canceled"}
    for order in placed:
        assert house.final(order).status == "canceled"
    assert house.disagreements() == []


def test_a_cancel_that_was_asked_for_survives_a_restart(house: House) -> None:
    order = house.place()
    house.exchange.faults.add(Fault("error", on="cancel", accept=False))
    assert house.cancel(order).status == "pending_cancel"
    house.close()
    house.exchange.faults.clear()
    house.start()
    assert house.final(order).status == "canceled"
    assert house.disagreements() == []


def test_a_fill_that_cannot_be_booked_holds_up_no_other(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, whole = house.place(), house.place(price="40001")
    book = LiveSpotAccount._book_fill

    def fail_for_first(account: LiveSpotAccount, order: wire.Order, *given: Any) -> wire.Order:
        if order.id == broken.id:
            raise RuntimeError("a defect")
        return book(account, order, *given)

    with monkeypatch.context() as patch:
        patch.setattr(LiveSpotAccount, "_book_fill", fail_for_first)
        for order in (broken, whole):
            house.exchange.book.fill(house.there(order)[0].id, "0.01")
        house.until(lambda: house.order(whole).status == "filled")
        assert house.order(broken).status == "accepted"
    house.until(lambda: house.order(broken).status == "filled")
    house.until(lambda: house.disagreements() == [])


def test_what_others_do_with_the_same_keys_is_seen_and_their_locks_count(house: House) -> None:
    mine = house.place()
    book = house.exchange.book
    book.fill(house.there(mine)[0].id, "0.004")
    book.withdraw(OWNER, "BTC", "0.5")
    house.until(lambda: house.total("BTC") == sum(book.balances(OWNER)["BTC"]))
    house.until(lambda: house.disagreements() == [])
    assert house.kinds().count("external") == 1
    assert house.order(mine).filled == Decimal("0.004")
