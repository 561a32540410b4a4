"""Brackets: an entry's exits come with its fill, never without it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.exchange import Trader, dec, fails
from utils.errors import Refused
from utils.wire import ExitLeg, OcoLeg, Order


def leg(price: str | None = None, stop: str | None = None) -> ExitLeg:
    return ExitLeg(price=None if price is None else dec(price), stop_price=None if stop is None else dec(stop))


BOTH: dict[str, Any] = {"take_profit": leg("60000"), "stop_loss": leg(stop="45000")}


def exits(trader: Trader, entry: Order) -> dict[str, Order]:
    """Return the open exits of an entry by their type."""
    return {order.type: order for order in trader.open_orders() if order.parent_id == entry.id}


def test_a_market_entry_has_its_exits_at_once(trader: Trader) -> None:
    entry = trader.place("buy", "market", amount="0.1", **BOTH)
    assert (entry.status, entry.take_profit, entry.stop_loss) == ("filled", BOTH["take_profit"], BOTH["stop_loss"])
    made = exits(trader, entry)
    limit, stop = made["limit"], made["stop"]
    assert len(trader.open_orders()) == 2
    assert (limit.side, limit.amount, limit.price, limit.status) == ("sell", dec("0.1"), 60_000, "accepted")
    assert (stop.side, stop.amount, stop.stop_price, stop.status) == ("sell", dec("0.1"), 45_000, "accepted")
    assert limit.group_id == stop.group_id is not None
    assert limit.reduce_only
    assert stop.reduce_only
    assert (limit.take_profit, limit.stop_loss, entry.parent_id, entry.group_id) == (None, None, None, None)
    assert trader.locked("BTC") == dec("0.1")


@pytest.mark.parametrize(("price", "kind"), [(60_000, "limit"), (44_000, "stop")])
def test_one_exit_ends_the_other(trader: Trader, price: int, kind: str) -> None:
    trader.place("buy", "market", amount="0.1", **BOTH)
    trader.set_price(price)
    assert trader.open_orders() == []
    [_, last] = trader.trades()
    assert (last.side, last.price) == ("sell", price)
    assert trader.locked("BTC") == trader.free("BTC") == 0


def test_a_waiting_entry_has_no_exits_before_its_fill(trader: Trader) -> None:
    entry = trader.place("buy", "limit", amount="0.1", price="48000", **BOTH)
    assert trader.open_orders() == [entry]
    trader.set_price(47_000)
    assert trader.again(entry).status == "filled"
    assert set(exits(trader, entry)) == {"limit", "stop"}
    trader.set_price(44_000)
    assert trader.open_orders() == []
    assert trader.trades()[-1].price == 44_000


def test_a_canceled_or_expired_entry_places_nothing(trader: Trader) -> None:
    entry = trader.place("buy", "limit", amount="0.1", price="48000", **BOTH)
    trader.cancel(entry.id)
    assert trader.place("buy", "limit", price="48000", time_in_force="ioc", **BOTH).status == "expired"
    trader.set_price(47_000)
    assert trader.open_orders() == []
    assert trader.trades() == []


@pytest.mark.parametrize(
    ("legs", "kinds"),
    [
        ({"take_profit": leg("60000")}, {"limit"}),
        ({"take_profit": leg(stop="60000")}, {"take_profit"}),
        ({"take_profit": leg("60100", "60000")}, {"take_profit_limit"}),
        ({"stop_loss": leg(stop="45000")}, {"stop"}),
        ({"stop_loss": leg("44900", "45000")}, {"stop_limit"}),
    ],
)
def test_one_leg_alone_has_no_pair(trader: Trader, legs: dict[str, Any], kinds: set[str]) -> None:
    entry = trader.place("buy", "market", amount="0.1", **legs)
    made = exits(trader, entry)
    assert set(made) == kinds
    assert all(order.group_id is None for order in made.values())


def test_a_stop_entry_that_gaps_beyond_its_profit_takes_the_market(trader: Trader) -> None:
    entry = trader.place("buy", "stop", amount="0.1", stop_price="52000", **BOTH)
    trader.set_price(61_000)
    assert trader.again(entry).average == 61_000
    assert trader.open_orders() == []
    assert [(t.side, t.price) for t in trader.trades()] == [("buy", 61_000), ("sell", 61_000)]


def test_a_gap_through_the_stop_sells_at_the_market(trader: Trader) -> None:
    trader.place("buy", "limit", amount="0.1", price="48000", **BOTH)
    trader.set_price(44_000)  # fills the entry at its limit
    trader.set_price(43_000)
    assert trader.open_orders() == []
    assert [(t.side, t.price) for t in trader.trades()] == [("buy", 48_000), ("sell", 43_000)]


def test_a_sale_is_bought_back(holder: Trader) -> None:
    entry = holder.place("sell", "market", amount="0.1", take_profit=leg("45000"), stop_loss=leg(stop="55000"))
    made = exits(holder, entry)
    assert {order.side for order in made.values()} == {"buy"}
    assert not any(order.reduce_only for order in made.values())
    holder.set_price(45_000)
    assert holder.open_orders() == []
    assert holder.free("BTC") == dec("0.1")


@pytest.mark.parametrize(
    ("side", "fields", "code", "field"),
    [
        ("buy", {"take_profit": leg("49000")}, "take_profit_wrong_side", "take_profit.price"),
        ("buy", {"take_profit": leg(stop="50000")}, "take_profit_wrong_side", "take_profit.stop_price"),
        ("buy", {"stop_loss": leg(stop="51000")}, "stop_loss_wrong_side", "stop_loss.stop_price"),
        ("buy", {"stop_loss": leg("45000")}, "stop_price_required", "stop_loss.stop_price"),
        ("buy", {"take_profit": leg()}, "price_required", "take_profit.price"),
        ("buy", {"take_profit": leg("60000.001")}, "invalid_precision", "take_profit.price"),
        ("buy", {"stop_loss": leg("44000", "45000.001")}, "invalid_precision", "stop_loss.stop_price"),
        ("buy", {"take_profit": leg("500001")}, "price_out_of_range", "take_profit.price"),
        ("sell", {"take_profit": leg("51000")}, "take_profit_wrong_side", "take_profit.price"),
        ("sell", {"stop_loss": leg(stop="49000")}, "stop_loss_wrong_side", "stop_loss.stop_price"),
        ("sell", {"reduce_only": True, "take_profit": leg("45000")}, "bracket_not_allowed", "take_profit"),
        ("buy", {"amount": "0.00019", "stop_loss": leg(stop="26000")}, "below_min_cost", "stop_loss"),
    ],
)
def test_legs_are_held_against_the_rules(
    holder: Trader, side: str, fields: dict[str, Any], code: str, field: str
) -> None:
    before = holder.balances()
    full = {"amount": "0.05", **fields}
    checks = [check.code for check in holder.preview(side, "market", **full).checks if not check.ok]
    assert code in checks
    with fails(Refused, code, field):
        holder.place(side, "market", **{"amount": "0.05", **fields})
    assert (holder.balances(), holder.open_orders()) == (before, [])


def test_exits_go_with_no_pair(holder: Trader) -> None:
    with fails(Refused, "bracket_not_allowed"):
        pair = OcoLeg(stop_price=dec("45000"))
        holder.place("sell", "limit", price="55000", amount="0.05", oco=pair, take_profit=leg("40000"))


def test_a_stop_that_would_buy_back_must_be_affordable(holder: Trader) -> None:
    holder.place("buy", "limit", price="40000", amount="0.12")  # binds nearly all money
    with fails(Refused, "insufficient_funds", "stop_loss"):
        holder.place("sell", "market", amount="0.1", stop_loss=leg(stop="60000"))
    holder.place("sell", "market", amount="0.1", stop_loss=leg(stop="50500"))


def test_the_side_is_that_of_the_entrys_price(trader: Trader) -> None:
    trader.place("buy", "limit", amount="0.01", price="40000", take_profit=leg("45000"), stop_loss=leg(stop="39000"))
    with fails(Refused, "stop_loss_wrong_side"):
        trader.place("buy", "limit", amount="0.01", price="40000", stop_loss=leg(stop="41000"))


def test_legs_can_be_edited_until_the_entry_fills(trader: Trader) -> None:
    entry = trader.place("buy", "limit", amount="0.1", price="48000", **BOTH)
    changed = trader.bridge.edit_order(trader.edit_command(entry, stop_loss=leg(stop="46000")))
    assert (changed.stop_loss, changed.take_profit) == (leg(stop="46000"), BOTH["take_profit"])
    with fails(Refused, "stop_loss_wrong_side"):
        trader.bridge.edit_order(trader.edit_command(entry, stop_loss=leg(stop="48500")))
    with fails(Refused, "stop_loss_wrong_side"):
        trader.edit(entry, price="45500")
    trader.set_price(47_000)
    made = exits(trader, entry)
    assert made["stop"].stop_price == 46_000
    with fails(Refused, "not_editable", "take_profit"):
        trader.bridge.edit_order(trader.edit_command(made["stop"], take_profit=leg("70000")))
    trader.edit(made["limit"], price="65000")
    trader.edit(made["stop"], amount="0.05")
    assert {order.amount for order in trader.open_orders()} == {dec("0.05")}


def test_a_bracket_outlives_a_restart(trader: Trader) -> None:
    entry = trader.place("buy", "limit", amount="0.1", price="48000", **BOTH)
    trader.exchange.restart()
    assert trader.again(entry) == entry
    trader.set_price(47_000)
    made = exits(trader, entry)
    assert set(made) == {"limit", "stop"}
    trader.exchange.restart()
    assert exits(trader, entry) == made
    trader.set_price(60_000)
    assert trader.open_orders() == []
    assert trader.free("BTC") == 0


def test_the_stop_of_a_buying_pair_must_be_affordable(trader: Trader) -> None:
    with fails(Refused, "insufficient_funds"):
        trader.place("buy", "limit", price="40000", amount="0.19", oco=OcoLeg(stop_price=dec("55000")))
    assert trader.open_orders() == []
    preview = trader.preview("buy", "limit", price="40000", amount="0.19", oco=OcoLeg(stop_price=dec("55000")))
    assert [check.code for check in preview.checks if not check.ok] == ["insufficient_funds"]
    trader.place("buy", "limit", price="40000", amount="0.18", oco=OcoLeg(stop_price=dec("55000")))


def test_an_exit_without_funds_leaves_the_other_one(holder: Trader) -> None:
    legs = {"take_profit": leg("44990"), "stop_loss": leg(stop="45050")}
    entry = holder.place("sell", "stop", amount="0.1", stop_price="45000", **legs)
    holder.place("buy", "limit", price="40000", amount="0.1246")  # takes nearly all money meanwhile
    holder.set_price(45_000)
    assert holder.again(entry).status == "filled"
    [stop] = exits(holder, entry).values()
    assert (stop.type, stop.group_id) == ("stop", None)
    holder.balances()
