"""The life of a live order when nothing fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from config import Settings
from models import Database
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.kucoin import LoopbackKucoin
from tests.exchanges.server import Loopback
from tests.integration.live.house import OWNER, QUICK, House
from utils import wire
from utils.errors import Conflict, Refused


@pytest.fixture
def house(settings: Settings, database: Database, exchange: Loopback) -> Iterator[House]:
    """A house that waits for its exchange as long as a busy machine needs: nothing is silent here."""
    house = House(settings, database, exchange, replace(QUICK, send=20.0, window=20.0, query=20.0))
    house.until(house.is_open)
    yield house
    house.close()


def test_the_account_begins_with_what_the_exchange_holds(house: House) -> None:
    assert (house.total("USDT"), house.total("BTC")) == (100_000, 1)
    assert house.kinds() == ["deposit", "deposit"]
    assert house.disagreements() == []


def test_an_order_is_accepted_fills_in_parts_and_is_booked_fill_by_fill(house: House) -> None:
    order = house.place(client_order_id="mine")
    assert (order.status, order.mode, order.exchange) == ("accepted", "live", house.exchange.name)
    (there,) = house.there(order)
    house.exchange.book.fill(there.id, "0.004")
    house.until(lambda: house.order(order).filled == Decimal("0.004"))
    assert house.order(order).status == "partially_filled"
    house.exchange.book.fill(there.id, "0.006")
    house.until(lambda: house.order(order).status == "filled")
    done = house.order(order)
    assert (done.filled, done.average, done.cost) == (Decimal("0.01"), 40_000, 400)
    assert house.disagreements() == []


class ClassicKucoin(LoopbackKucoin):
    """KuCoin for an account that is no high-frequency one."""

    high_frequency = False


@pytest.mark.parametrize(
    ("exchange", "count"),
    [(LoopbackBinance, 501), (LoopbackKucoin, 201), (ClassicKucoin, 151)],
    ids=["binance", "kucoin", "classic kucoin"],
    indirect=["exchange"],
)
def test_an_order_of_more_fills_than_an_answer_has_room_for_ends(house: House, count: int) -> None:
    order = house.place(amount=str(count * Decimal("0.00001")))
    (there,) = house.there(order)
    for _ in range(count):
        house.exchange.book.fill(there.id, "0.00001")
    house.until(lambda: house.order(order).status == "filled")
    assert house.disagreements() == []


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the answer longer than usual to wait for the end of an order: the machine may be busy."""
    monkeypatch.setattr("engine.live.desk.FOLLOW_UP_SECONDS", 4)


@pytest.mark.usefixtures("patient")
def test_a_market_order_is_answered_filled(house: House) -> None:
    house.place("buy", type="market", amount="0.02")
    order = house.place("sell", type="market", amount="0.01")
    assert (order.status, order.filled, order.average) == ("filled", Decimal("0.01"), 50_000)
    assert house.disagreements() == []


@pytest.mark.usefixtures("patient")
def test_a_cancel_keeps_what_was_filled(house: House) -> None:
    order = house.place()
    house.exchange.book.fill(house.there(order)[0].id, "0.004")
    gone = house.cancel(order)
    assert (gone.status, gone.filled) == ("canceled", Decimal("0.004"))
    with pytest.raises(Conflict) as error:
        house.cancel(order)
    assert error.value.code == "order_not_open"
    assert house.disagreements() == []


def test_an_edit_replaces_the_order_and_names_its_successor(house: House) -> None:
    order = house.place()
    house.exchange.book.fill(house.there(order)[0].id, "0.004")
    fresh = house.edit(order, price="41000", amount="0.02")
    old = house.order(order)
    assert (old.status, old.replaced_by, old.filled) == ("replaced", fresh.id, Decimal("0.004"))
    assert (fresh.status, fresh.price, fresh.amount) == ("accepted", 41_000, Decimal("0.016"))
    assert [each.status for each in house.there(fresh)] == ["open"]
    assert house.disagreements() == []


def test_immediate_orders_end_at_once(house: House) -> None:
    order = house.place(time_in_force="ioc")
    assert (house.ended(order).status, order.filled) == ("expired", 0)
    filled = house.place(time_in_force="fok", price="51000")
    assert house.ended(filled).status == "filled"
    assert house.disagreements() == []


def test_funds_of_open_orders_are_locked_here_before_the_exchange_says_no(house: House) -> None:
    house.place(amount="2")
    with pytest.raises(Refused) as error:
        house.place(amount="1")
    assert error.value.code == "insufficient_funds"
    holding = house.bridge.portfolio(house.account).currencies["USDT"]
    assert (holding.total, holding.locked) == (100_000, 80_080)
    assert len(house.exchange.book.orders(OWNER)) == 1


def test_what_the_exchange_refuses_is_rejected_with_its_code(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    before = house.exchange.book.seen_balances(OWNER)
    monkeypatch.setattr(house.exchange.book, "seen_balances", lambda _account: before)  # nobody here sees it go
    house.exchange.book.withdraw(OWNER, "USDT", "99900")
    with pytest.raises(Refused) as error:
        house.place(key="k")
    assert error.value.code == "insufficient_funds"
    with pytest.raises(Refused) as again:
        house.place(key="k")
    assert again.value.code == "insufficient_funds"
    (order,) = house.orders()
    assert (order.status, order.reject_code) == ("rejected", "insufficient_funds")


def test_deposits_and_withdrawals_at_the_exchange_are_booked_as_external(house: House) -> None:
    house.total("USDT")
    opened = house.bridge.portfolio(house.account)
    assert opened.profit.amount == 0
    house.exchange.book.deposit(OWNER, "ETH", "3")
    house.exchange.book.withdraw(OWNER, "USDT", "1000")
    house.until(lambda: house.total("USDT") == 99_000 and house.total("ETH") == 3)
    house.until(lambda: house.kinds() == ["deposit", "deposit", "external", "external"])
    now = house.bridge.portfolio(house.account)
    assert now.total_value != opened.total_value
    assert now.profit.amount == 0  # what came and went is no gain
    assert house.disagreements() == []


def test_an_account_comes_back_after_a_restart(house: House) -> None:
    order = house.place()
    house.exchange.book.fill(house.there(order)[0].id, "0.004")
    house.until(lambda: house.order(order).filled == Decimal("0.004"))
    house.close()
    house.exchange.book.fill(house.there(order)[0].id, "0.006")
    house.start()
    house.until(lambda: house.order(order).status == "filled")
    assert house.kinds().count("trade") == 4
    assert house.disagreements() == []


def test_an_edit_needs_funds_and_limits_for_what_is_left_alone(house: House) -> None:
    """What has filled is paid for, and counts in what is held."""
    order = house.place("sell", price="60000", amount="1")
    house.exchange.book.fill(house.there(order)[0].id, "0.6")
    house.until(lambda: house.order(order).filled == Decimal("0.6"))
    with pytest.raises(Refused) as error:
        house.edit(order, amount="0.6")
    assert error.value.code == "invalid_amount"
    with pytest.raises(Refused) as error:
        house.edit(order, amount="1.1")
    assert error.value.code == "insufficient_funds"
    limits = wire.RiskLimits(max_order_value=Decimal(25_000))
    actor = wire.Actor(user_id=house.user)
    house.bridge.set_risk_limits(wire.SetRiskLimits(actor=actor, account=house.account, limits=limits))
    fresh = house.edit(order, price="61000")
    assert (fresh.status, fresh.price, fresh.amount) == ("accepted", 61_000, Decimal("0.4"))
    assert house.disagreements() == []
