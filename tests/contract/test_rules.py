"""What is refused, with which code, naming which field; and that nothing changes then."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.exchange import Trader, dec, fails
from utils.errors import NotFound, Refused
from utils.wire import OcoLeg

CASES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("buy", "market", {"amount": "0"}, "invalid_amount", "amount"),
    ("sell", "market", {"amount": "-0.1"}, "invalid_amount", "amount"),
    ("buy", "market", {"quote_amount": "0"}, "invalid_amount", "quote_amount"),
    ("buy", "market", {"amount": "0.1000000000001"}, "invalid_precision", "amount"),
    ("buy", "limit", {"price": "40000.0000001"}, "invalid_precision", "price"),
    ("sell", "stop", {"stop_price": "40000.0000001"}, "invalid_precision", "stop_price"),
    ("buy", "limit", {"price": "500000.01"}, "price_out_of_range", "price"),
    ("buy", "limit", {"price": "4999.99"}, "price_out_of_range", "price"),
    ("buy", "market", {"amount": "0.2"}, "insufficient_funds", "amount"),
    ("buy", "limit", {"amount": "0.25", "price": "40000"}, "insufficient_funds", "amount"),
    ("sell", "market", {"amount": "0.1"}, "insufficient_funds", "amount"),
    ("sell", "limit", {"amount": "0.1", "price": "60000"}, "insufficient_funds", "amount"),
    ("sell", "stop", {"amount": "0.1", "stop_price": "45000"}, "insufficient_funds", "amount"),
    ("sell", "take_profit", {"amount": "0.1", "stop_price": "55000"}, "insufficient_funds", "amount"),
    ("sell", "trailing_stop", {"amount": "0.1", "trailing_percent": "5"}, "insufficient_funds", "amount"),
    ("buy", "stop", {"amount": "0.3", "stop_price": "55000"}, "insufficient_funds", "amount"),
    ("buy", "stop", {"stop_price": "50000"}, "stop_price_wrong_side", "stop_price"),
    ("buy", "stop_limit", {"stop_price": "49000", "price": "49500"}, "stop_price_wrong_side", "stop_price"),
    ("buy", "take_profit", {"stop_price": "51000"}, "stop_price_wrong_side", "stop_price"),
    ("buy", "take_profit_limit", {"stop_price": "51000", "price": "51000"}, "stop_price_wrong_side", "stop_price"),
    ("buy", "market", {"reduce_only": True}, "reduce_only_spot", "reduce_only"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]} {case[2]}")
def test_a_broken_rule_is_named_and_nothing_changes(
    trader: Trader, case: tuple[str, str, dict[str, Any], str, str]
) -> None:
    side, kind, fields, code, field = case
    with fails(Refused, code, field):
        trader.place(side, kind, **fields)
    assert trader.balances() == {"USDT": (10_000, 0)}
    assert trader.open_orders() == []
    assert trader.trades() == []


def test_an_unknown_symbol_is_not_found(trader: Trader) -> None:
    with fails(NotFound, "unknown_symbol", "symbol"):
        trader.place("buy", "market", symbol="XXX/USDT")


@pytest.mark.parametrize(("kind", "stop"), [("stop", "50000"), ("stop", "51000"), ("take_profit", "50000")])
def test_a_selling_stop_on_the_wrong_side_is_refused(holder: Trader, kind: str, stop: str) -> None:
    with fails(Refused, "stop_price_wrong_side", "stop_price"):
        holder.place("sell", kind, stop_price=stop)
    assert holder.open_orders() == []


def test_amounts_outside_the_market_are_refused(trader: Trader) -> None:
    market = trader.market
    assert market.max_amount is not None
    with fails(Refused, "below_min_amount", "quote_amount"):
        trader.place("buy", "market", quote_amount="0.000001")
    with fails(Refused, "above_max_amount", "amount"):
        trader.place("buy", "market", amount=market.max_amount + market.amount_step)
    if market.min_amount > market.amount_step:
        with fails(Refused, "below_min_amount", "amount"):
            trader.place("buy", "market", amount=market.min_amount - market.amount_step)


def test_the_smallest_cost_is_kept_to(trader: Trader) -> None:
    market = trader.market
    steps = market.min_cost / 50_000 // market.amount_step
    too_little = steps * market.amount_step
    if too_little * 50_000 == market.min_cost:
        too_little -= market.amount_step
    with fails(Refused, "below_min_cost", "amount"):
        trader.place("buy", "market", amount=max(too_little, market.min_amount))
    enough = too_little + market.amount_step
    assert trader.place("buy", "market", amount=enough).status == "filled"


def test_the_cost_of_a_limit_is_counted_at_its_price(trader: Trader) -> None:
    market = trader.market
    amount = (market.min_cost / 50_000 // market.amount_step + 1) * market.amount_step
    with fails(Refused, "below_min_cost", "amount"):
        trader.place("buy", "limit", amount=amount, price="5000")


def test_the_fee_is_part_of_what_a_buy_needs(trader: Trader) -> None:
    # 0.2 at 50,000 is all there is; the fee is not covered
    with fails(Refused, "insufficient_funds", "amount"):
        trader.place("buy", "market", amount="0.2")
    most = 10_000 / (50_000 * (1 + trader.market.taker_fee))
    amount = most // trader.market.amount_step * trader.market.amount_step
    assert trader.place("buy", "market", amount=amount).status == "filled"


def test_locked_money_is_not_spent_twice(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.2")
    with fails(Refused, "insufficient_funds", "amount"):
        trader.place("buy", "limit", price="40000", amount="0.1")
    trader.cancel(order.id)
    assert trader.place("buy", "limit", price="40000", amount="0.1").status == "accepted"


def test_price_limits_are_inclusive(trader: Trader) -> None:
    assert trader.place("buy", "limit", price="5000", amount="0.1").status == "accepted"
    trader.place("buy", "market", amount="0.1")
    assert trader.place("sell", "limit", price="500000", amount="0.1").status == "accepted"


def test_a_stop_needs_the_total_not_the_free(holder: Trader) -> None:
    holder.place("sell", "limit", price="60000", amount="0.1")
    order = holder.place("sell", "stop", stop_price="45000", amount="0.1")
    assert order.status == "accepted"
    assert holder.locked("BTC") == dec("0.1")


def test_selling_may_be_reduce_only(holder: Trader) -> None:
    order = holder.place("sell", "market", amount="0.1", reduce_only=True)
    assert (order.status, order.reduce_only) == ("filled", True)


def test_the_stop_of_a_pair_is_held_against_the_same_rules(holder: Trader) -> None:
    with fails(Refused, "stop_price_wrong_side"):
        holder.place("sell", "limit", price="55000", oco=OcoLeg(stop_price=Decimal(51_000)))
    with fails(Refused, "invalid_precision"):
        holder.place("sell", "limit", price="55000", oco=OcoLeg(stop_price=Decimal("45000.0000001")))
    assert holder.open_orders() == []
    assert holder.locked("BTC") == 0
