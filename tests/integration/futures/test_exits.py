"""Orders that get out of positions: `reduce_only`, stops, pairs and brackets; reckoned as in `test_positions`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.contract.exchange import dec, fails
from tests.integration.futures.holder import Holder
from utils.errors import Refused
from utils.wire import ExitLeg, OcoLeg


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_reduce_only_never_opens_or_reverses(holder: Holder, side: str) -> None:
    other = "sell" if side == "buy" else "buy"
    with fails(Refused, "reduce_only_without_position", "reduce_only"):
        holder.place(other, amount="0.1", reduce_only=True)
    holder.place(side, amount="0.1")
    with fails(Refused, "reduce_only_without_position", "reduce_only"):
        holder.place(side, amount="0.1", reduce_only=True)
    with fails(Refused, "reduce_only_too_large", "amount"):
        holder.place(other, amount="0.101", reduce_only=True)
    holder.place(other, amount="0.04", reduce_only=True)
    assert holder.position.amount == dec("0.06")
    holder.agrees()


def test_reduce_only_orders_shrink_with_the_position_and_go_with_it(holder: Holder) -> None:
    holder.place("buy", amount="0.3")
    limit = holder.place("sell", "limit", amount="0.3", price="55000", reduce_only=True)
    stop = holder.place("sell", "stop", amount="0.2", stop_price="47000", reduce_only=True)
    assert holder.locked("USDT") == 1_500, "what only reduces locks nothing"
    holder.place("sell", amount="0.1")
    assert (holder.again(limit).amount, holder.again(stop).amount) == (dec("0.2"), dec("0.2"))
    holder.place("sell", amount="0.15")
    assert (holder.again(limit).amount, holder.again(stop).amount) == (dec("0.05"), dec("0.05"))
    holder.agrees()
    holder.set_price(55_000)
    assert holder.again(limit).status == "filled"
    gone = holder.again(stop)
    assert (gone.status, gone.reject_code) == ("canceled", "reduce_only")
    assert holder.positions == []
    holder.agrees()


def test_a_reduce_only_order_that_is_small_enough_stays_as_it_is(holder: Holder) -> None:
    holder.place("buy", amount="0.3")
    small = holder.place("sell", "limit", amount="0.05", price="55000", reduce_only=True)
    for amount in ("0.1", "0.15"):  # 0.05 are left at last
        holder.place("sell", amount=amount)
        assert holder.again(small) == small
    holder.agrees()


def test_a_reversal_takes_reduce_only_orders_with_it(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    limit = holder.place("sell", "limit", amount="0.1", price="55000", reduce_only=True)
    holder.place("sell", amount="0.2")
    assert (holder.again(limit).status, holder.position.side) == ("canceled", "short")
    holder.agrees()


def test_stop_take_profit_and_trailing_close_at_the_mark(holder: Holder) -> None:
    for type, fields, prices, average in (
        ("stop", {"stop_price": "48000"}, [47_500], 47_500),
        ("take_profit", {"stop_price": "52000"}, [52_300], 52_300),
        ("trailing_stop", {"trailing_percent": "2"}, [55_000, 53_800], 53_800),
    ):
        holder.set_price(50_000)
        holder.place("buy", amount="0.1")
        order = holder.place("sell", type, amount="0.1", reduce_only=True, **fields)
        for price in prices:
            holder.set_price(price)
        closed = holder.again(order)
        assert (closed.status, closed.average) == ("filled", average)
        assert holder.positions == []
        holder.agrees()


def test_a_pair_around_a_position(holder: Holder) -> None:

    holder.place("sell", amount="0.1")
    leg = OcoLeg(stop_price=Decimal(52_000))
    first = holder.place("buy", "limit", amount="0.1", price="48000", reduce_only=True, oco=leg)
    holder.set_price(52_100)
    assert holder.again(first).status == "canceled"
    assert holder.positions == []
    assert holder.ledger()[1:] == [("pnl", "-210"), ("fee", "-2.605")]
    holder.agrees()


def test_a_triggered_stop_without_margin_is_canceled(holder: Holder) -> None:
    stop = holder.place("buy", "stop", amount="1", stop_price="51000")
    holder.place("buy", "limit", amount="1.5", price="49000")
    holder.set_price(51_000)
    assert (holder.again(stop).status, holder.again(stop).reject_code) == ("canceled", "insufficient_funds")
    assert holder.positions == []
    holder.agrees()


def test_a_bracket_closes_what_its_entry_opened(holder: Holder) -> None:
    profit, loss = ExitLeg(price=Decimal(52_000)), ExitLeg(stop_price=Decimal(49_000))
    holder.place("buy", amount="0.1", take_profit=profit, stop_loss=loss)
    exits = {order.type: order for order in holder.open_orders()}
    assert {order.reduce_only for order in exits.values()} == {True}
    assert holder.locked("USDT") == 500
    holder.set_price(52_000)
    assert holder.positions == []
    assert holder.open_orders() == []
    # 200 gained; fees 2.5 as taker, 1.04 as maker
    assert holder.wallet == 10_000 - dec("2.5") + 200 - dec("1.04")
    holder.agrees()


def test_the_exits_of_an_entry_that_reverses_are_for_what_it_opened(holder: Holder) -> None:
    holder.place("sell", amount="0.1")
    loss = ExitLeg(stop_price=Decimal(49_000))
    holder.place("buy", amount="0.3", stop_loss=loss)
    [stop] = holder.open_orders()
    assert (stop.amount, holder.position.amount) == (dec("0.2"), dec("0.2"))
    holder.agrees()


def test_the_exits_of_an_entry_that_only_reduces_are_canceled(holder: Holder) -> None:
    holder.place("sell", amount="0.3")
    holder.place("buy", amount="0.1", stop_loss=ExitLeg(stop_price=Decimal(49_000)))
    assert holder.open_orders() == []
    assert holder.position.side == "short"
    holder.agrees()
