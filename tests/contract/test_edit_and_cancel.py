"""Changing and canceling open orders."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.exchange import Trader, dec, fails
from utils.errors import Conflict, NotFound, Refused
from utils.ids import new_id


def test_an_edit_keeps_the_id_and_moves_the_lock(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1")
    edited = trader.edit(order, price="45000", amount="0.2")
    assert (edited.id, edited.price, edited.amount, edited.remaining) == (order.id, 45_000, dec("0.2"), dec("0.2"))
    assert edited.updated_at > order.updated_at
    assert edited.created_at == order.created_at
    assert trader.locked("USDT") == 9_000 * (1 + trader.market.taker_fee)
    trader.set_price(45_000)
    assert trader.again(order).average == 45_000


def test_an_edit_releases_its_own_lock_first(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.2")
    assert trader.edit(order, amount="0.24").amount == dec("0.24")


def test_an_edited_limit_that_becomes_marketable_fills_at_the_mark(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1")
    edited = trader.edit(order, price="51000")
    assert (edited.status, edited.average, edited.price) == ("filled", 50_000, 51_000)
    assert edited.fee is not None
    assert edited.fee.cost == 5_000 * trader.market.taker_fee
    assert trader.balances() == {"USDT": (5_000 - edited.fee.cost, 0), "BTC": (dec("0.1"), 0)}


def test_stops_and_trails_can_be_moved(holder: Trader) -> None:
    stop = holder.place("sell", "stop", stop_price="45000", amount="0.05")
    trail = holder.place("sell", "trailing_stop", trailing_percent="20", amount="0.05")
    assert holder.edit(stop, stop_price="46000").stop_price == 46_000
    assert holder.edit(trail, trailing_percent="10").trailing_percent == 10
    holder.set_price(45_000)
    assert holder.again(stop).average == 45_000
    assert holder.again(trail).average == 45_000


def test_an_edited_trail_remembers_the_best_price(holder: Trader) -> None:
    trail = holder.place("sell", "trailing_stop", trailing_percent="20", amount="0.05")
    holder.set_price(60_000)
    holder.set_price(55_000)
    holder.edit(trail, trailing_percent="10")
    holder.set_price("54000.01")
    assert holder.again(trail).status == "accepted"
    holder.set_price(54_000)
    assert holder.again(trail).average == 54_000


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"amount": "0"}, "invalid_amount", "amount"),
        ({"amount": "1"}, "insufficient_funds", "amount"),
        ({"price": "40000.0000001"}, "invalid_precision", "price"),
        ({"price": "4999.99"}, "price_out_of_range", "price"),
        ({"stop_price": "45000"}, "not_editable", "stop_price"),
        ({"trailing_percent": "5"}, "not_editable", "trailing_percent"),
    ],
)
def test_an_edit_is_held_against_the_rules_of_a_new_order(
    trader: Trader, changes: dict[str, Any], code: str, field: str
) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1")
    balances = trader.balances()
    with fails(Refused, code, field):
        trader.edit(order, **changes)
    assert trader.open_orders() == [order]
    assert trader.balances() == balances


def test_an_edited_stop_must_stay_on_its_side(holder: Trader) -> None:
    order = holder.place("sell", "stop", stop_price="45000")
    with fails(Refused, "stop_price_wrong_side", "stop_price"):
        holder.edit(order, stop_price="50000")
    with fails(Refused, "not_editable", "price"):
        holder.edit(order, price="45000")
    assert holder.open_orders() == [order]


def test_a_triggered_order_has_no_trigger_to_change(holder: Trader) -> None:
    order = holder.place("sell", "stop_limit", stop_price="45000", price="44500")
    holder.set_price(44_000)
    with fails(Refused, "not_editable", "stop_price"):
        holder.edit(order, stop_price="43000")
    assert holder.edit(order, price="44400").price == 44_400
    assert holder.locked("BTC") == dec("0.1")


@pytest.mark.parametrize("which", [0, 1])
def test_a_pair_keeps_one_amount(holder: Trader, which: int) -> None:
    pair = holder.pair("55000", "45000", amount="0.05")
    holder.edit(pair[which], amount="0.08")
    assert [order.amount for order in holder.open_orders()] == [dec("0.08"), dec("0.08")]
    assert holder.locked("BTC") == dec("0.08")
    with fails(Refused, "insufficient_funds", "amount"):
        holder.edit(pair[which], amount="0.11")
    assert [order.amount for order in holder.open_orders()] == [dec("0.08"), dec("0.08")]
    assert holder.locked("BTC") == dec("0.08")


def test_a_final_order_is_neither_edited_nor_canceled(trader: Trader) -> None:
    filled = trader.place("buy", "market", amount="0.1")
    canceled = trader.place("buy", "limit", price="40000", amount="0.01")
    trader.cancel(canceled.id)
    for order in (filled, canceled):
        with fails(Conflict, "order_not_open"):
            trader.edit(order, amount="0.02")
        with fails(Conflict, "order_not_open"):
            trader.cancel(order.id)
    assert trader.again(filled).status == "filled"
    assert trader.again(canceled).status == "canceled"


def test_unknown_and_foreign_orders_are_not_found(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1")
    other = Trader(trader.exchange, *trader.exchange.new_account())
    for stranger, order_id in ((other, order.id), (trader, new_id())):
        with fails(NotFound, "order_not_found"):
            stranger.cancel(order_id)
    with fails(NotFound, "order_not_found"):
        other.edit(order, amount="0.2")
    assert trader.open_orders() == [order]


def test_a_cancel_frees_what_was_locked(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1")
    canceled = trader.cancel(order.id)
    assert (canceled.id, canceled.status, canceled.filled, canceled.reject_code) == (order.id, "canceled", 0, None)
    assert trader.balances() == {"USDT": (10_000, 0)}
    trader.set_price(39_000)
    assert trader.again(order).status == "canceled"
    assert trader.trades() == []


def test_cancel_all_takes_what_matches(holder: Trader) -> None:
    buy = holder.place("buy", "limit", price="40000", amount="0.01")
    sell = holder.place("sell", "limit", price="60000", amount="0.01")
    stop = holder.place("sell", "stop", stop_price="45000", amount="0.01")
    assert holder.cancel_all(symbol="ETH/USDT") == []
    canceled = holder.cancel_all(side="sell", symbol="BTC/USDT")
    assert {order.id for order in canceled} == {sell.id, stop.id}
    assert {order.status for order in canceled} == {"canceled"}
    assert holder.open_ids() == {buy.id}
    assert [order.id for order in holder.cancel_all()] == [buy.id]
    assert holder.cancel_all() == []
    assert holder.locked("USDT") == holder.locked("BTC") == 0


def test_cancel_all_names_both_of_a_pair(holder: Trader) -> None:
    pair = holder.pair("55000", "45000")
    assert {order.id for order in holder.cancel_all()} == {order.id for order in pair}
    assert holder.locked("BTC") == 0
