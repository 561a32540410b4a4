"""One-cancels-the-other pairs and brackets of live accounts: never both orders, never none."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest

from engine.live.outcomes import Refusal
from engine.live.trader import LiveTrader
from tests.exchanges.faults import Fault
from tests.integration.live.house import OWNER, House
from utils import wire
from utils.errors import EngineUnavailable, Refused
from utils.wire import ExitLeg, OcoLeg

AMOUNT = Decimal("0.01")
OCO = OcoLeg(stop_price=Decimal(45_000))
TAKE, STOP = ExitLeg(price=Decimal(60_000)), ExitLeg(stop_price=Decimal(45_000))


def _pair(house: House, **ticket: Any) -> tuple[wire.Order, wire.Order]:
    """Place a sale at 60,000 with a stop at 45,000."""
    house.quote("50000")
    first = house.place("sell", **{"price": "60000", "oco": OCO, **ticket})
    (second,) = [each for each in house.orders() if each.group_id == first.group_id and each.id != first.id]
    return first, second


def _exits(house: House, entry: wire.Order) -> tuple[wire.Order, wire.Order]:
    """Wait for the exits of a bracket and return the take-profit and the stop-loss."""
    house.until(lambda: len(_of(house, entry)) == 2)
    take, stop = sorted(_of(house, entry), key=lambda order: order.type == "stop")
    return take, stop


def _of(house: House, entry: wire.Order) -> list[wire.Order]:
    return [each for each in house.orders() if each.parent_id == entry.id]


def _sold(house: House, *orders: wire.Order) -> Decimal:
    """Return what the exchange sold for `orders`."""
    return sum((there.filled for order in orders for there in house.there(order)), Decimal(0))


def test_a_limit_that_fills_reduces_its_stop_and_then_ends_it(opened: House) -> None:
    limit, stop = _pair(opened)
    assert [each.status for each in opened.there(limit)] == ["open"]
    assert opened.there(stop) == []
    opened.exchange.book.fill(opened.there(limit)[0].id, "0.004")
    opened.until(lambda: opened.order(stop).amount == Decimal("0.006"))
    assert opened.order(stop).status == "accepted"
    opened.exchange.book.fill(opened.there(limit)[0].id, "0.006")
    assert opened.ended(stop).status == "canceled"
    assert opened.order(limit).status == "filled"
    opened.quote("44000")
    assert opened.there(stop) == []
    assert opened.disagreements() == []


@pytest.mark.parametrize("filled", ["0", "0.004"])
def test_a_stop_that_triggers_sells_what_the_limit_has_left_when_that_is_cancelled(opened: House, filled: str) -> None:
    limit, stop = _pair(opened)
    if filled != "0":
        opened.exchange.book.fill(opened.there(limit)[0].id, filled)
        opened.until(lambda: opened.order(stop).amount == AMOUNT - Decimal(filled))
    opened.quote("45000")
    assert opened.ended(stop).status == "filled"
    ended = opened.order(limit)
    assert (ended.status, ended.filled) == ("canceled", Decimal(filled))
    assert _sold(opened, limit, stop) == AMOUNT
    opened.until(lambda: opened.disagreements() == [])


@pytest.mark.parametrize("filled", ["0.01", "0.004"])
@pytest.mark.parametrize("fault", [{"kind": "hang", "accept": False}, {"kind": "error", "accept": False}])
def test_a_limit_that_fills_while_its_cancel_is_under_way_leaves_the_stop_the_rest(
    opened: House, filled: str, fault: dict[str, Any]
) -> None:
    limit, stop = _pair(opened)
    opened.exchange.faults.add(Fault(on="cancel", **fault))
    opened.quote("45000")
    assert opened.order(limit).status == "pending_cancel"
    opened.exchange.book.fill(opened.there(limit)[0].id, filled)
    opened.until(lambda: opened.order(limit).filled == Decimal(filled))
    assert opened.there(stop) == []
    opened.exchange.faults.clear()
    ended = opened.ended(stop)
    assert ended.status == ("canceled" if filled == "0.01" else "filled")
    assert _sold(opened, limit, stop) == AMOUNT
    opened.until(lambda: opened.disagreements() == [])


@pytest.mark.parametrize("accept", [True, False])
def test_a_stop_waits_for_a_cancel_that_is_not_answered_also_over_a_restart(house: House, accept: bool) -> None:
    limit, stop = _pair(house)
    house.exchange.faults.add(Fault("error", on="cancel", accept=accept))
    house.exchange.faults.add(Fault("error", on="query"))
    house.quote("45000")
    assert (house.order(limit).status, house.order(stop).sent_at) == ("pending_cancel", None)
    house.close()
    house.exchange.faults.clear()
    house.start()
    assert house.ended(stop).status == "filled"
    assert house.order(limit).status == "canceled"
    assert _sold(house, limit, stop) == AMOUNT
    house.until(lambda: house.disagreements() == [])


def test_one_cancel_ends_both(opened: House) -> None:
    for chosen in (0, 1):
        pair = _pair(opened)
        opened.cancel(pair[chosen])
        assert [opened.ended(order).status for order in pair] == ["canceled", "canceled"]
    assert opened.disagreements() == []


def test_a_limit_that_others_cancel_leaves_its_stop(opened: House) -> None:
    limit, stop = _pair(opened)
    opened.exchange.book.cancel(OWNER, opened.there(limit)[0].id)
    assert opened.ended(limit).status == "canceled"
    assert (opened.order(stop).status, opened.order(stop).group_id) == ("accepted", None)
    assert opened.disagreements() == []


def test_a_pair_that_the_exchange_refuses_is_not_taken_at_all(opened: House) -> None:
    opened.quote("50000")
    opened.exchange.faults.add(Fault("limit", on="place", count=1, seconds=0.1))
    with pytest.raises(Exception, match="did not take the order"):
        opened.place("sell", price="60000", oco=OCO)
    assert {order.status for order in opened.orders()[-2:]} == {"rejected", "canceled"}
    assert opened.disagreements() == []


def test_a_stop_that_triggers_while_an_edit_of_its_limit_comes_to_nothing(
    opened: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, stop = _pair(opened)
    asked = threading.Event()
    recall = LiveTrader.recall

    async def refused(_trader: LiveTrader, _order: wire.Order) -> Refusal:
        monkeypatch.setattr(LiveTrader, "recall", recall)
        asked.set()
        await asyncio.sleep(0.5)
        return Refusal(code="exchange_rate_limited", again=True)

    monkeypatch.setattr(LiveTrader, "recall", refused)

    def edit() -> None:
        with pytest.raises(EngineUnavailable):
            opened.edit(limit, price="61000")

    thread = threading.Thread(target=edit)
    thread.start()
    assert asked.wait(30)
    opened.quote("45000")
    assert opened.order(stop).triggered_at is not None
    thread.join()
    assert opened.ended(stop).status == "filled"
    assert opened.order(limit).status == "canceled"
    assert _sold(opened, limit, stop) == AMOUNT
    opened.until(lambda: opened.disagreements() == [])


def test_of_two_held_orders_the_first_to_trigger_ends_the_other(opened: House) -> None:
    take, stop = _pair(opened, type="take_profit", price=None, stop_price="60000")
    assert (opened.there(take), opened.there(stop)) == ([], [])
    opened.quote("60000")
    assert opened.ended(take).status == "filled"
    assert opened.order(stop).status == "canceled"
    opened.quote("45000")
    assert _sold(opened, take, stop) == AMOUNT
    opened.until(lambda: opened.disagreements() == [])


def test_a_limit_of_a_pair_moves_with_its_stop_and_keeps_its_amount(opened: House) -> None:
    limit, stop = _pair(opened)
    for order in (limit, stop):
        with pytest.raises(Refused) as error:
            opened.edit(order, amount="0.02")
        assert error.value.code == "not_editable"
    moved = opened.edit(limit, price="61000")
    assert (moved.group_id, moved.status) == (stop.group_id, "accepted")
    assert opened.edit(stop, stop_price="46000").stop_price == 46_000
    opened.quote("46000")
    assert opened.ended(stop).status == "filled"
    assert opened.ended(moved).status == "canceled"
    assert _sold(opened, limit, moved, stop) == AMOUNT
    opened.until(lambda: opened.disagreements() == [])


@pytest.mark.parametrize("kind", ["market", "limit"])
def test_an_entry_that_fills_gets_its_exits(opened: House, kind: str) -> None:
    opened.quote("50000")
    price: dict[str, Any] = {} if kind == "market" else {"price": "50000"}
    entry = opened.place(type=kind, take_profit=TAKE, stop_loss=STOP, **price)
    take, stop = _exits(opened, entry)
    opened.until(lambda: opened.order(take).exchange_order_id)
    held = opened.order(entry).filled
    fee = opened.order(entry).fee
    if fee is not None and fee.currency == "BTC":
        held -= fee.cost
    for order in (take, stop):
        assert 0 <= held - order.amount < Decimal("0.00001")
    assert (opened.order(take).status, [each.status for each in opened.there(take)]) == ("accepted", ["open"])
    assert (opened.order(stop).status, opened.there(stop)) == ("accepted", [])
    opened.quote("45000")
    assert opened.ended(stop).status == "filled"
    assert opened.ended(take).status == "canceled"
    assert _sold(opened, take, stop) == take.amount
    opened.until(lambda: opened.disagreements() == [])


def test_an_entry_that_fills_in_parts_gets_its_exits_when_it_ends(opened: House) -> None:
    opened.quote("50000")
    entry = opened.place(price="40000", take_profit=TAKE, stop_loss=ExitLeg(stop_price=Decimal(30_000)))
    opened.exchange.book.fill(opened.there(entry)[0].id, "0.004")
    opened.until(lambda: opened.order(entry).filled == Decimal("0.004"))
    assert _of(opened, entry) == []
    assert opened.cancel(entry).status == "canceled"
    take, stop = _exits(opened, entry)
    assert Decimal("0.00399") <= take.amount == stop.amount <= Decimal("0.004")
    opened.until(lambda: opened.there(take))
    opened.exchange.book.fill(opened.there(take)[0].id, take.amount)
    assert opened.ended(take).status == "filled"
    assert opened.ended(stop).status == "canceled"
    opened.until(lambda: opened.disagreements() == [])


def test_a_take_profit_that_cannot_be_paid_leaves_the_stop_loss(opened: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.quote("50000")
    entry = opened.place(price="40000", take_profit=TAKE, stop_loss=ExitLeg(stop_price=Decimal(30_000)))
    monkeypatch.setattr("engine.live.spot.LiveSpotAccount._affords", lambda *_: False)
    opened.exchange.book.fill(opened.there(entry)[0].id, "0.01")
    take, stop = _exits(opened, entry)
    assert (opened.order(take).status, opened.order(take).reject_code) == ("canceled", "insufficient_funds")
    assert (opened.order(stop).status, opened.order(stop).group_id) == ("accepted", None)
    assert opened.disagreements() == []


def test_an_entry_that_never_filled_gets_none(opened: House) -> None:
    opened.quote("50000")
    entry = opened.place(price="40000", take_profit=TAKE)
    assert opened.cancel(entry).status == "canceled"
    assert _of(opened, entry) == []


@pytest.mark.parametrize("kind", ["limit", "hang"])
def test_exits_that_meet_a_failing_exchange_are_there_in_the_end(opened: House, kind: Any) -> None:
    opened.quote("50000")
    entry = opened.place(price="40000", take_profit=TAKE, stop_loss=ExitLeg(stop_price=Decimal(30_000)))
    opened.exchange.faults.add(Fault(kind, on="place", count=1, seconds=0.3))
    opened.exchange.book.fill(opened.there(entry)[0].id, "0.01")
    take, stop = _exits(opened, entry)
    opened.until(lambda: opened.order(take).exchange_order_id)
    assert len(opened.there(take)) == 1
    assert opened.order(stop).status == "accepted"
    assert opened.disagreements() == []


def test_an_entry_that_fills_while_the_engine_is_down_gets_its_exits_after_it(house: House) -> None:
    house.quote("50000")
    entry = house.place(price="40000", take_profit=TAKE, stop_loss=ExitLeg(stop_price=Decimal(30_000)))
    house.close()
    house.exchange.book.fill(house.there(entry)[0].id, "0.01")
    house.start()
    take, stop = _exits(house, entry)
    house.until(lambda: house.order(take).exchange_order_id)
    house.restart()
    house.quote("30000")
    assert house.ended(stop).status == "filled"
    assert house.ended(take).status == "canceled"
    assert _sold(house, take, stop) == take.amount
    house.until(lambda: house.disagreements() == [])
