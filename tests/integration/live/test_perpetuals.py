"""The life of live orders and positions in perpetuals, against the exchange's truth."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from services import backups
from tests.exchanges.faults import Fault
from tests.integration.live.conftest import Restore
from tests.integration.live.futures_house import PERPETUAL, FuturesHouse
from tests.integration.live.house import OWNER
from utils import wire
from utils.errors import NotFound, Refused

D = Decimal


@pytest.fixture
def house(futures: FuturesHouse) -> FuturesHouse:
    return futures


def test_a_position_is_opened_valued_and_closed(house: FuturesHouse) -> None:
    assert house.leverage("10").leverage == 10
    opened = house.market("buy", "0.1")
    assert (opened.status, opened.filled, opened.average) == ("filled", D("0.1"), D(50_000))
    assert house.book.margin_type(OWNER, PERPETUAL) == "ISOLATED"
    house.set_price("51000")
    house.until(lambda: house.position and house.position.liquidation_price)
    held = house.position
    assert held is not None
    there = house.book.position(OWNER, PERPETUAL)
    assert (held.side, held.amount, held.entry_price, held.leverage) == ("long", D("0.1"), D(50_000), D(10))
    assert (held.mark_price, held.unrealized_pnl) == (D(51_000), D(100))
    assert (held.margin, held.liquidation_price) == (there.margin, there.liquidation)
    closed = house.close_position("close-it")
    assert (closed.status, closed.reduce_only, closed.type) == ("filled", True, "market")
    assert house.close_position("close-it").id == closed.id
    assert house.position is None
    assert [kind for kind, _ in house.ledger()] == ["deposit", "fee", "pnl", "fee"]
    house.agrees()
    with pytest.raises(NotFound, match="no position"):
        house.close_position()


def test_a_limit_rests_fills_in_parts_and_is_cancelled(house: FuturesHouse) -> None:
    house.leverage("10")
    resting = house.place("buy", amount="0.2", price="49000")
    assert resting.status == "accepted"
    (there,) = house.there(resting)
    house.book.fill(there.id, "0.05")
    house.until(lambda: house.order(resting).filled == D("0.05"))
    canceled = house.cancel(resting)
    assert (canceled.status, canceled.filled) == ("canceled", D("0.05"))
    house.agrees()
    edited = house.edit(house.place("buy", amount="0.1", price="48000"), price="48500")
    assert (edited.status, edited.price) == ("accepted", D(48_500))
    house.agrees()


@pytest.mark.parametrize("most", [1000, 250])
def test_an_order_of_many_fills_ends(house: FuturesHouse, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr("engine.live.fills.BINANCE_PAGE", most)
    house.leverage("10")
    resting = house.place("buy", amount="0.501", price="49000")
    (there,) = house.there(resting)
    for _ in range(501):
        house.book.fill(there.id, "0.001")
    house.until(lambda: house.order(resting).status == "filled")
    house.agrees()


def test_orders_that_may_only_reduce_say_so_there(house: FuturesHouse) -> None:
    with pytest.raises(Refused) as refused:
        house.market("sell", "0.1", reduce_only=True)
    assert refused.value.code == "reduce_only_without_position"
    house.market("buy", "0.1")
    take = house.place("sell", amount="0.1", price="52000", reduce_only=True)
    (there,) = house.there(take)
    assert house.book.is_reduce_only(there.id)
    house.set_price("52000")
    house.until(lambda: house.order(take).status == "filled")
    house.agrees()


def test_stops_are_held_and_follow_the_position(house: FuturesHouse) -> None:
    house.market("buy", "0.1")
    stop = house.place("sell", type="stop", amount="0.1", price=None, stop_price="49000", reduce_only=True)
    assert stop.status == "accepted"
    assert house.there(stop) == []
    house.market("sell", "0.04", reduce_only=True)
    assert house.order(stop).amount == D("0.06")
    house.set_price("48900")
    house.until(lambda: house.order(stop).status == "filled")
    assert house.position is None
    second = house.market("buy", "0.1")
    other = house.place("sell", type="stop", amount="0.1", price=None, stop_price="47000", reduce_only=True)
    house.close_position()
    assert second.status == "filled"
    assert (house.order(other).status, house.order(other).reject_code) == ("canceled", "reduce_only")
    house.agrees()


def test_a_bracket_protects_what_filled(house: FuturesHouse) -> None:
    legs = {
        "take_profit": wire.ExitLeg(price=D(52_000), stop_price=None),
        "stop_loss": wire.ExitLeg(stop_price=D(49_000), price=None),
    }
    entry = house.market("buy", "0.1", **legs)
    exits = [order for order in house.orders() if order.parent_id == entry.id]
    take, stop = sorted(exits, key=lambda order: order.type != "limit")
    house.until(lambda: house.there(take))
    house.set_price("52000")
    house.until(lambda: house.order(take).status == "filled")
    assert house.order(stop).status == "canceled"
    assert house.position is None
    house.agrees()


def test_funding_and_transfers_are_booked_once_by_their_ids(house: FuturesHouse) -> None:
    house.market("buy", "0.1")
    house.agrees()
    house.book.fund(PERPETUAL, "0.0002")
    house.book.deposit(OWNER, "USDT", "250")
    house.agrees()
    house.restart()
    house.until(house.is_open)
    house.book.fund(PERPETUAL, "-0.0001")
    house.agrees()
    kinds = house.ledger()[2:]
    assert sorted(kinds) == [("external", D(250)), ("funding", D("-1")), ("funding", D("0.5"))]
    assert house.position is not None
    assert house.position.funding == D("-0.5")


def _income_reads(house: FuturesHouse) -> list[int]:
    """Return from when on (ms) the exchange was asked for incomes, each time."""
    return [int(seen.params["startTime"]) for seen in house.exchange.seen if seen.path.endswith("/income")]


def test_fills_of_our_own_are_booked_without_reading_incomes(house: FuturesHouse) -> None:
    resting = house.place("buy", amount="0.1", price="49000")
    house.agrees()
    (there,) = house.there(resting)
    (account,) = house.host.engine._accounts.live()
    before = len(_income_reads(house))
    for number in range(1, 6):
        house.book.fill(there.id, "0.01")
        house.until(lambda number=number: house.order(resting).filled == number * D("0.01"))  # type: ignore[misc]
        house.until(lambda: not account._differed)  # type: ignore[attr-defined]  # a look later than the fill
        house.agrees()
    assert len(_income_reads(house)) == before


def test_incomes_are_read_from_what_is_booked_on(house: FuturesHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("journal.records", "live.futures.account"):
        monkeypatch.setattr(f"engine.{module}.INCOME_OVERLAP", timedelta(seconds=1), raising=False)
    house.book.deposit(OWNER, "USDT", "1")
    house.agrees()
    first = _income_reads(house)
    looks = len(house.exchange.seen)
    house.until(lambda: len(house.exchange.seen) > looks + 4)
    time.sleep(1.0)
    house.book.deposit(OWNER, "USDT", "2")
    house.agrees()
    assert _income_reads(house)[len(first)] > first[0]


def test_what_is_done_in_the_exchanges_app_is_taken_over(house: FuturesHouse) -> None:
    house.market("buy", "0.1")
    house.agrees()
    house.book.trade(OWNER, PERPETUAL, "sell", "0.04")
    house.book.trade(OWNER, PERPETUAL, "buy", "0.3")
    house.agrees()
    kinds = [kind for kind, _ in house.ledger()]
    assert sorted(kinds) == ["deposit", "fee", "fee", "fee"]
    house.set_price("50500")
    house.book.trade(OWNER, PERPETUAL, "sell", "0.36")
    house.agrees()
    assert house.position is None
    assert house.ledger()[-2][0] == "pnl" or house.ledger()[-1][0] == "pnl"


def test_a_liquidation_is_booked_when_it_is_seen(house: FuturesHouse) -> None:
    house.leverage("20")
    house.market("buy", "0.1")
    stop = house.place("sell", type="stop", amount="0.1", price=None, stop_price="40000", reduce_only=True)
    resting = house.place("buy", amount="0.01", price="45000")
    house.agrees()
    house.set_price("47000")
    house.agrees()
    assert house.position is None
    assert house.book.positions(OWNER) == []
    assert house.order(stop).status == "canceled"
    assert house.final(resting).status == "canceled"
    assert sum(amount for kind, amount in house.ledger() if kind == "pnl") < 0


def test_a_restore_catches_up_with_orders_positions_and_incomes(
    house: FuturesHouse, settings: Settings, tmp_path: Path, restore: Restore
) -> None:
    house.market("buy", "0.1")
    house.agrees()
    made = backups.backup(settings, tmp_path / "backups")
    resting = house.place("buy", amount="0.05", price="49000")
    filled = house.market("buy", "0.2")
    closing = house.market("sell", "0.05", reduce_only=True)
    house.book.fund(PERPETUAL, "0.0002")
    house.book.deposit(OWNER, "USDT", "100")
    house.book.trade(OWNER, PERPETUAL, "sell", "0.02")
    house.agrees()
    ledger = sorted(house.ledger())
    house.close()
    restore(made)
    house.start()
    house.until(lambda: len(house.orders()) == 4)
    house.agrees()
    assert [house.order(each).status for each in (resting, filled, closing)] == ["accepted", "filled", "filled"]
    assert house.order(closing).reduce_only
    assert sorted(house.ledger()) == ledger


def test_a_restart_with_a_position_and_orders_loses_nothing(house: FuturesHouse) -> None:
    house.market("buy", "0.1")
    resting = house.place("sell", amount="0.05", price="51000", reduce_only=True)
    stop = house.place("sell", type="stop", amount="0.1", price=None, stop_price="49000", reduce_only=True)
    house.close()
    house.book.set_price(PERPETUAL, "51000")  # while nobody looks
    house.book.fund(PERPETUAL, "0.0001")
    house.start()
    house.until(lambda: house.order(resting).status == "filled")
    house.until(lambda: house.order(stop).amount == D("0.05"))
    house.agrees()


def test_a_stop_overtakes_a_limit_that_the_exchange_does_not_cancel(
    house: FuturesHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.orders.kinds.OVERTAKE_SECONDS", 0.5)
    house.market("buy", "0.1")
    pair: dict[str, Any] = {"reduce_only": True, "oco": wire.OcoLeg(stop_price=D(49_000), price=None)}
    take = house.place("sell", amount="0.1", price="52000", **pair)
    (stop,) = [order for order in house.orders() if order.group_id == take.group_id and order.id != take.id]
    house.exchange.faults.add(Fault("error", on="cancel", accept=False, status=400, code=-2011))
    house.set_price("48900")
    house.until(lambda: house.order(stop).status == "filled")
    house.exchange.faults.clear()
    house.until(lambda: house.final(take).status in {"canceled", "expired"})
    house.agrees()
    assert house.position is None
