"""Stops, take-profits, trailing orders and pairs."""

from __future__ import annotations

import pytest

from tests.contract.exchange import Trader, dec
from utils.wire import Order


def assert_filled(order: Order, price: str, *, fee_rate: object) -> None:
    assert (order.status, order.average) == ("filled", dec(price))
    assert order.fee is not None
    assert order.fee.cost == order.amount * dec(price) * fee_rate  # type: ignore[operator]


def test_a_selling_stop_locks_nothing_and_fills_at_the_mark(holder: Trader) -> None:
    order = holder.place("sell", "stop", stop_price="45000")
    assert (order.status, order.stop_price, order.price, order.triggered_at) == ("accepted", 45_000, None, None)
    assert holder.locked("BTC") == 0
    holder.set_price("45000.01")
    assert holder.again(order).status == "accepted"
    holder.set_price(45_000)
    filled = holder.again(order)
    assert_filled(filled, "45000", fee_rate=holder.market.taker_fee)
    assert filled.triggered_at is not None


def test_a_stop_fills_worse_than_its_price_over_a_gap(holder: Trader) -> None:
    order = holder.place("sell", "stop", stop_price="45000")
    before = holder.free("USDT")
    holder.set_price(41_000)
    assert_filled(holder.again(order), "41000", fee_rate=holder.market.taker_fee)
    assert holder.free("USDT") == before + 4_100 - 4_100 * holder.market.taker_fee


def test_a_buying_stop_triggers_above(trader: Trader) -> None:
    order = trader.place("buy", "stop", stop_price="55000", amount="0.1")
    assert trader.locked("USDT") == 0
    trader.set_price("54999.99")
    assert trader.again(order).status == "accepted"
    trader.set_price(56_000)
    assert_filled(trader.again(order), "56000", fee_rate=trader.market.taker_fee)


@pytest.mark.parametrize(
    ("side", "stop", "not_yet", "then"), [("sell", "55000", "54999.99", "56000"), ("buy", "45000", "45000.01", "44000")]
)
def test_a_take_profit_is_the_mirror_of_a_stop(holder: Trader, side: str, stop: str, not_yet: str, then: str) -> None:
    order = holder.place(side, "take_profit", stop_price=stop, amount="0.05")
    holder.set_price(not_yet)
    assert holder.again(order).status == "accepted"
    holder.set_price(then)
    assert_filled(holder.again(order), then, fee_rate=holder.market.taker_fee)


def test_a_triggered_stop_limit_rests_under_its_id_and_locks(holder: Trader) -> None:
    order = holder.place("sell", "stop_limit", stop_price="45000", price="44500")
    assert holder.locked("BTC") == 0
    holder.set_price(44_000)  # beyond the limit: it waits for the price to come back
    waiting = holder.again(order)
    assert (waiting.id, waiting.status, waiting.filled) == (order.id, "accepted", 0)
    assert waiting.triggered_at is not None
    assert holder.locked("BTC") == dec("0.1")
    holder.set_price("44499.99")
    assert holder.again(order).status == "accepted"
    holder.set_price(44_600)
    assert_filled(holder.again(order), "44500", fee_rate=holder.market.maker_fee)
    assert holder.free("BTC") == 0


def test_a_stop_limit_that_is_marketable_when_triggered_fills_at_the_mark(holder: Trader) -> None:
    order = holder.place("sell", "stop_limit", stop_price="45000", price="44500")
    holder.set_price(44_700)
    assert_filled(holder.again(order), "44700", fee_rate=holder.market.taker_fee)


def test_a_buying_stop_limit_waits_below(trader: Trader) -> None:
    order = trader.place("buy", "stop_limit", stop_price="55000", price="55500", amount="0.1")
    trader.set_price(56_000)
    assert trader.again(order).triggered_at is not None
    assert trader.locked("USDT") == 5_550 * (1 + trader.market.taker_fee)
    trader.set_price(55_000)
    assert_filled(trader.again(order), "55500", fee_rate=trader.market.maker_fee)
    assert trader.locked("USDT") == 0


def test_a_take_profit_limit_rests_once_triggered(holder: Trader) -> None:
    order = holder.place("sell", "take_profit_limit", stop_price="55000", price="57000")
    holder.set_price(56_000)
    assert holder.again(order).triggered_at is not None
    assert holder.locked("BTC") == dec("0.1")
    holder.set_price(57_000)
    assert_filled(holder.again(order), "57000", fee_rate=holder.market.maker_fee)


def test_a_triggered_order_whose_funds_are_gone_is_canceled(holder: Trader) -> None:
    order = holder.place("sell", "stop", stop_price="45000")
    holder.place("sell", "market", amount="0.1")
    balances, trades = holder.balances(), holder.trades()
    holder.set_price(44_000)
    canceled = holder.again(order)
    assert (canceled.status, canceled.reject_code, canceled.filled) == ("canceled", "insufficient_funds", 0)
    assert holder.balances() == balances
    assert holder.trades() == trades


def test_a_triggered_stop_limit_whose_funds_are_locked_elsewhere_is_canceled(holder: Trader) -> None:
    order = holder.place("sell", "stop_limit", stop_price="45000", price="44500")
    holder.place("sell", "limit", price="60000", amount="0.05")
    holder.set_price(44_000)
    canceled = holder.again(order)
    assert (canceled.status, canceled.reject_code) == ("canceled", "insufficient_funds")
    assert holder.locked("BTC") == dec("0.05")


def test_a_selling_trailing_stop_follows_the_price_up(holder: Trader) -> None:
    order = holder.place("sell", "trailing_stop", trailing_percent="10")
    assert (order.status, order.trailing_percent) == ("accepted", 10)
    holder.set_price("45000.01")
    assert holder.again(order).status == "accepted"
    holder.set_price(60_000)
    holder.set_price("54000.01")
    assert holder.again(order).status == "accepted"
    holder.set_price(54_000)  # 60,000 less 10 %
    filled = holder.again(order)
    assert_filled(filled, "54000", fee_rate=holder.market.taker_fee)
    assert filled.triggered_at is not None


def test_a_buying_trailing_stop_follows_the_price_down(trader: Trader) -> None:
    order = trader.place("buy", "trailing_stop", trailing_percent="10", amount="0.1")
    trader.set_price(40_000)
    trader.set_price("43999.99")
    assert trader.again(order).status == "accepted"
    trader.set_price(44_500)
    assert_filled(trader.again(order), "44500", fee_rate=trader.market.taker_fee)


def test_a_trailing_stop_limit_rests_at_its_price_once_triggered(holder: Trader) -> None:
    order = holder.place("sell", "trailing_stop_limit", trailing_percent="10", price="47000")
    holder.set_price(45_000)
    waiting = holder.again(order)
    assert (waiting.status, waiting.price) == ("accepted", 47_000)
    assert waiting.triggered_at is not None
    assert holder.locked("BTC") == dec("0.1")
    holder.set_price(47_000)
    assert_filled(holder.again(order), "47000", fee_rate=holder.market.maker_fee)


def test_a_pair_locks_once(holder: Trader) -> None:
    limit, stop = holder.pair("55000", "45000")
    assert limit.group_id is not None
    assert (limit.type, limit.price) == ("limit", 55_000)
    assert (stop.type, stop.stop_price, stop.side, stop.amount) == ("stop", 45_000, "sell", dec("0.1"))
    assert (holder.free("BTC"), holder.locked("BTC")) == (0, dec("0.1"))


def test_when_the_limit_of_a_pair_fills_the_stop_is_canceled(holder: Trader) -> None:
    limit, _stop = holder.pair("55000", "45000")
    holder.set_price(55_000)
    assert_filled(holder.again(limit), "55000", fee_rate=holder.market.maker_fee)
    assert holder.open_orders() == []
    holder.set_price(44_000)
    assert len(holder.trades()) == 2  # the first buy and the limit


def test_when_the_stop_of_a_pair_fills_the_limit_is_canceled(holder: Trader) -> None:
    limit, stop = holder.pair("55000", "45000")
    holder.set_price(44_000)
    assert holder.again(limit).status == "canceled"
    trade = holder.trades()[-1]
    assert (trade.order_id, trade.price) == (stop.id, 44_000)
    assert holder.open_orders() == []
    assert holder.free("BTC") == holder.locked("BTC") == 0


@pytest.mark.parametrize("which", [0, 1])
def test_canceling_one_of_a_pair_cancels_the_other(holder: Trader, which: int) -> None:
    pair = holder.pair("55000", "45000")
    assert holder.cancel(pair[which].id).status == "canceled"
    assert holder.open_orders() == []
    assert holder.again(pair[0]).status == "canceled"
    assert (holder.free("BTC"), holder.locked("BTC")) == (dec("0.1"), 0)


def test_the_stop_of_a_pair_may_be_a_stop_limit(holder: Trader) -> None:
    _limit, stop = holder.pair("55000", "45000", "44500")
    assert (stop.type, stop.price) == ("stop_limit", 44_500)
    holder.set_price(44_600)
    assert holder.trades()[-1].order_id == stop.id
    assert holder.trades()[-1].price == 44_600
    assert holder.open_orders() == []


def test_a_triggered_stop_limit_ends_the_limit_of_its_pair(holder: Trader) -> None:
    limit, stop = holder.pair("55000", "45000", "44500")
    holder.set_price(44_000)  # triggers the stop-limit, beyond its price
    assert holder.again(limit).status == "canceled"
    assert holder.open_ids() == {stop.id}
    assert (holder.free("BTC"), holder.locked("BTC")) == (0, dec("0.1"))
    holder.set_price(44_600)
    assert (holder.trades()[-1].order_id, holder.trades()[-1].price) == (stop.id, 44_500)
    assert holder.balances().keys() == {"USDT"}


def test_orders_of_others_are_left_alone(holder: Trader) -> None:
    other = Trader(holder.exchange, *holder.exchange.new_account())
    order = other.place("buy", "limit", price="40000", amount="0.1")
    holder.place("sell", "stop", stop_price="45000")
    holder.set_price(44_000)
    assert other.again(order).status == "accepted"
    assert other.trades() == []
