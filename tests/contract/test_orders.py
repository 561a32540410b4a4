"""Placing: market, limit, time in force, client ids, idempotency keys."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.contract.exchange import SYMBOL, Trader, dec, fails
from utils.errors import Conflict, Refused
from utils.ids import new_id
from utils.money import is_multiple
from utils.wire import Actor, PlaceOrder


def test_a_market_buy_fills_at_the_mark_with_the_taker_fee(trader: Trader) -> None:
    order = trader.place("buy", "market", amount="0.12345", client_order_id="first")
    cost = dec("0.12345") * 50_000
    fee = cost * trader.market.taker_fee

    assert (order.status, order.filled, order.remaining) == ("filled", dec("0.12345"), 0)
    assert (order.price, order.average, order.cost) == (None, 50_000, cost)
    assert order.fee is not None
    assert (order.fee.currency, order.fee.cost) == ("USDT", fee)
    assert (order.client_order_id, order.account, order.mode, order.exchange) == (
        "first",
        trader.account,
        "paper",
        "demo",
    )
    assert trader.balances() == {"USDT": (10_000 - cost - fee, 0), "BTC": (dec("0.12345"), 0)}
    [trade] = trader.trades()
    assert (trade.order_id, trade.price, trade.amount, trade.cost) == (order.id, 50_000, dec("0.12345"), cost)
    assert trade.fee == order.fee
    assert (trade.side, trade.symbol, trade.account) == ("buy", SYMBOL, trader.account)


def test_a_market_sell_pays_its_fee_in_quote(holder: Trader) -> None:
    before = holder.free("USDT")
    holder.set_price(60_000)
    order = holder.place("sell", "market", amount="0.1")

    assert order.fee is not None
    assert (order.fee.currency, order.fee.cost) == ("USDT", 6_000 * holder.market.taker_fee)
    assert holder.balances() == {"USDT": (before + 6_000 - order.fee.cost, 0)}
    gain = holder.trades()[-1].realized_pnl
    assert gain is not None
    assert 900 < gain < 1_000


def test_a_market_order_has_no_price_even_when_one_is_sent(trader: Trader) -> None:
    order = trader.place("buy", "market", amount="0.1", price="1")
    assert (order.status, order.price, order.average) == ("filled", None, 50_000)


def test_ids_are_made_in_order_and_client_ids_when_absent(trader: Trader) -> None:
    first = trader.place("buy", "limit", price="40000", amount="0.01")
    second = trader.place("buy", "limit", price="40000", amount="0.01")
    assert first.id[14] == second.id[14] == "7"
    assert first.id < second.id
    assert first.client_order_id != second.client_order_id
    assert 1 <= len(first.client_order_id) <= 48


@pytest.mark.parametrize("money", ["10", "100", "1234.56789", "10000"])
def test_a_quote_amount_buys_the_most_it_covers(trader: Trader, money: str) -> None:
    order = trader.place("buy", "market", quote_amount=money)
    unit = 50_000 * (1 + trader.market.taker_fee)

    assert is_multiple(order.amount, trader.market.amount_step)
    assert order.amount * unit <= dec(money) < (order.amount + trader.market.amount_step) * unit
    assert trader.free("USDT") == 10_000 - order.amount * unit


def test_a_limit_below_the_mark_rests_and_locks_its_cost_with_the_taker_fee(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1")
    locked = 4_000 * (1 + trader.market.taker_fee)

    assert (order.status, order.filled, order.remaining, order.average, order.cost) == (
        "accepted",
        0,
        dec("0.1"),
        None,
        0,
    )
    assert trader.balances() == {"USDT": (10_000 - locked, locked)}
    assert trader.open_orders() == [order]
    assert trader.trades() == []


def test_a_limit_sell_above_the_mark_locks_its_amount(holder: Trader) -> None:
    holder.place("sell", "limit", price="55000", amount="0.04")
    assert (holder.free("BTC"), holder.locked("BTC")) == (dec("0.06"), dec("0.04"))


def test_a_resting_limit_fills_at_its_own_price_with_the_maker_fee(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1")
    trader.set_price("40000.01")
    assert trader.again(order).status == "accepted"
    trader.set_price(39_000)
    filled = trader.again(order)

    assert (filled.status, filled.price, filled.average, filled.cost) == ("filled", 40_000, 40_000, 4_000)
    assert filled.fee is not None
    assert filled.fee.cost == 4_000 * trader.market.maker_fee
    assert filled.updated_at > order.updated_at
    assert trader.balances() == {"USDT": (6_000 - filled.fee.cost, 0), "BTC": (dec("0.1"), 0)}
    assert trader.open_orders() == []


def test_a_resting_limit_fills_when_the_mark_touches_it(holder: Trader) -> None:
    order = holder.place("sell", "limit", price="55000", amount="0.1")
    holder.set_price(55_000)
    filled = holder.again(order)
    assert (filled.status, filled.average) == ("filled", 55_000)
    assert filled.fee is not None
    assert filled.fee.cost == 5_500 * holder.market.maker_fee


@pytest.mark.parametrize("price", ["50000", "51000"])
def test_a_marketable_limit_buy_fills_at_the_mark_as_taker(trader: Trader, price: str) -> None:
    order = trader.place("buy", "limit", price=price, amount="0.1")
    assert (order.status, order.price, order.average) == ("filled", dec(price), 50_000)
    assert order.fee is not None
    assert order.fee.cost == 5_000 * trader.market.taker_fee
    assert trader.free("USDT") == 5_000 - order.fee.cost


def test_a_marketable_limit_sell_fills_at_the_mark(holder: Trader) -> None:
    order = holder.place("sell", "limit", price="49000", amount="0.1")
    assert (order.status, order.average) == ("filled", 50_000)


@pytest.mark.parametrize("tif", ["ioc", "fok"])
def test_ioc_and_fok_fill_at_once_or_expire(trader: Trader, tif: str) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1", time_in_force=tif)
    assert (order.status, order.filled, order.time_in_force) == ("expired", 0, tif)
    assert trader.balances() == {"USDT": (10_000, 0)}
    assert trader.open_orders() == []
    assert trader.place("buy", "limit", price="50000", amount="0.1", time_in_force=tif).status == "filled"


def test_a_day_order_rests(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.1", time_in_force="day")
    assert (order.status, order.time_in_force) == ("accepted", "day")


def test_a_client_order_id_is_taken_once_per_account(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.01", client_order_id="mine")
    with fails(Conflict, "duplicate_client_order_id", "client_order_id"):
        trader.place("buy", "market", amount="0.01", client_order_id="mine")
    trader.cancel(order.id)
    with fails(Conflict, "duplicate_client_order_id"):
        trader.place("buy", "market", amount="0.01", client_order_id="mine")
    assert trader.balances() == {"USDT": (10_000, 0)}
    other = Trader(trader.exchange, *trader.exchange.new_account())
    assert other.place("buy", "limit", price="40000", amount="0.01", client_order_id="mine").client_order_id == "mine"


def test_the_same_key_and_body_answer_the_same_order_as_it_is_now(trader: Trader) -> None:
    command = trader.command(trader.ticket("buy", "limit", price="40000", amount="0.1"), "key")
    first = trader.bridge.place_order(command)
    assert trader.bridge.place_order(command) == first
    assert len(trader.open_orders()) == 1
    trader.set_price(40_000)
    assert trader.bridge.place_order(command).status == "filled"
    assert len(trader.trades()) == 1


def test_the_same_key_with_another_body_is_refused(trader: Trader) -> None:
    trader.bridge.place_order(trader.command(trader.ticket(amount="0.01"), "key"))
    with fails(Refused, "idempotency_key_reused"):
        trader.bridge.place_order(trader.command(trader.ticket(amount="0.02"), "key"))
    assert trader.free("BTC") == dec("0.01")


def test_a_refusal_is_replayed_too(trader: Trader) -> None:
    command = trader.command(trader.ticket(amount="1"), "key")
    with fails(Refused, "insufficient_funds", "amount"):
        trader.bridge.place_order(command)
    trader.set_price(5_000)
    with fails(Refused, "insufficient_funds", "amount"):
        trader.bridge.place_order(command)
    assert trader.balances() == {"USDT": (10_000, 0)}


def test_keys_belong_to_one_user(trader: Trader) -> None:
    other = Trader(trader.exchange, *trader.exchange.new_account())
    ticket = trader.ticket(amount="0.01")
    mine = trader.bridge.place_order(trader.command(ticket, "key"))
    theirs = other.bridge.place_order(other.command(ticket, "key"))
    assert mine.id != theirs.id
    assert theirs.account == other.account


def test_who_asks_and_from_where_is_not_part_of_the_body(trader: Trader) -> None:
    ticket = trader.ticket(amount="0.01")
    here, there = (
        PlaceOrder(
            actor=Actor(user_id=trader.user, ip=ip, request_id=new_id()),
            account=trader.account,
            ticket=ticket,
            idempotency_key="key",
        )
        for ip in ("192.0.2.1", "192.0.2.2")
    )
    assert trader.bridge.place_order(here).id == trader.bridge.place_order(there).id


def test_times_are_utc(trader: Trader) -> None:
    order = trader.place(amount="0.01")
    assert order.created_at.utcoffset() == timedelta(0)
    assert order.created_at <= order.updated_at


def test_every_digit_is_kept(trader: Trader) -> None:
    trader.set_price("50000.01")
    step = trader.market.amount_step
    amount = dec("0.1") + step
    order = trader.place("buy", "market", amount=amount)
    cost = amount * dec("50000.01")
    assert order.cost == cost
    assert trader.free("USDT") == 10_000 - cost - cost * trader.market.taker_fee
    assert trader.free("BTC") == amount
    assert isinstance(order.cost, Decimal)
