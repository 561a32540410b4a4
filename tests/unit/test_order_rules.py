"""Where each rule begins to refuse: what is just right beside what is just too much."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.accounts import portfolio
from engine.orders import rules
from tests.unit.order_market import MARK, SPOT, SWAP, Purse, draft, leg, oco
from utils.wire import Fee


def _codes(side: str, type: str, funds: Purse | None = None, **fields: Any) -> list[tuple[str, str | None]]:
    checks = rules.checks(draft(side, type, **fields), funds or Purse())
    return [(check.name, check.code) for check in checks if not check.ok]


FIFTH = {"amount": "0.2"}
FIFTH_AT_200 = {**FIFTH, "price": "200"}
EDGES: list[tuple[str, str, dict[str, Any], str, Any, Any, str, str]] = [
    # side, type and what it has; a field, just right and just wrong; the rule and its code
    ("buy", "limit", {}, "amount", "0.12", "0.11", "min_cost", "below_min_cost"),
    ("sell", "market", {}, "amount", "0.1", "0.09", "min_cost", "below_min_cost"),
    ("buy", "market", {}, "quote_amount", "10.03", "10.02", "min_cost", "below_min_cost"),
    ("sell", "limit", {"amount": "0.02"}, "price", "500", "499.5", "min_cost", "below_min_cost"),
    ("buy", "limit", {}, "amount", "50", "50.01", "amount", "above_max_amount"),
    ("sell", "limit", {"price": "1000"}, "amount", "0.02", "0.01", "amount", "below_min_amount"),
    ("buy", "limit", {}, "amount", "1.01", "1.015", "precision", "invalid_precision"),
    ("buy", "limit", {}, "price", "89.5", "89.6", "precision", "invalid_precision"),
    ("buy", "stop", {}, "stop_price", "100.5", "100.6", "precision", "invalid_precision"),
    ("sell", "limit", {}, "price", "1000", "1000.5", "price_range", "price_out_of_range"),
    ("buy", "limit", {}, "price", "10", "9.5", "price_range", "price_out_of_range"),
    ("buy", "stop", {}, "stop_price", "1000", "1000.5", "price_range", "price_out_of_range"),
    ("buy", "stop", {}, "stop_price", "100.5", "100", "trigger_side", "stop_price_wrong_side"),
    ("sell", "stop", {}, "stop_price", "99.5", "100", "trigger_side", "stop_price_wrong_side"),
    ("buy", "take_profit", {}, "stop_price", "99.5", "100", "trigger_side", "stop_price_wrong_side"),
    ("sell", "take_profit", {}, "stop_price", "100.5", "100", "trigger_side", "stop_price_wrong_side"),
    ("sell", "trailing_stop", {}, "trailing_percent", "50", "50.1", "fields", "invalid_trailing_percent"),
    ("sell", "trailing_stop", {}, "trailing_percent", "0.1", "0", "fields", "invalid_trailing_percent"),
    ("sell", "limit", {"oco": oco("99.5")}, "price", "100.5", "100", "fields", "oco_not_allowed"),
    ("buy", "limit", {"price": "99.5"}, "oco", oco("100.5"), oco("100"), "trigger_side", "stop_price_wrong_side"),
    ("sell", "limit", {"price": "101"}, "oco", oco("99.5"), oco("100"), "trigger_side", "stop_price_wrong_side"),
    ("sell", "limit", {"price": "101"}, "oco", oco("10"), oco("9.5"), "price_range", "price_out_of_range"),
    ("sell", "limit", {"price": "101"}, "oco", oco("90", "89"), oco("90", "89.1"), "precision", "invalid_precision"),
    ("sell", "limit", FIFTH_AT_200, "oco", oco("50"), oco("49.5"), "oco.min_cost", "below_min_cost"),
    ("sell", "limit", FIFTH_AT_200, "oco", oco("60", "50"), oco("60", "49.5"), "oco.min_cost", "below_min_cost"),
    # exits: beyond the price of the entry, which is the mark when it takes
    ("buy", "limit", {}, "take_profit", leg("90.5"), leg("90"), "take_profit.side", "take_profit_wrong_side"),
    ("buy", "limit", {}, "stop_loss", leg(stop="89.5"), leg(stop="90"), "stop_loss.side", "stop_loss_wrong_side"),
    ("sell", "market", {}, "take_profit", leg("99.5"), leg("100"), "take_profit.side", "take_profit_wrong_side"),
    ("sell", "market", {}, "stop_loss", leg(stop="100.5"), leg(stop="100"), "stop_loss.side", "stop_loss_wrong_side"),
    ("buy", "limit", FIFTH, "stop_loss", leg(stop="50"), leg(stop="49.5"), "stop_loss.min_cost", "below_min_cost"),
    ("buy", "limit", {}, "take_profit", leg("1000"), leg("1000.5"), "take_profit.price_range", "price_out_of_range"),
    ("buy", "limit", {}, "stop_loss", leg("10", "50"), leg("9.5", "50"), "stop_loss.price_range", "price_out_of_range"),
    ("buy", "limit", {}, "take_profit", leg("95"), leg("95.1"), "take_profit.precision", "invalid_precision"),
]  # fmt: skip


@pytest.mark.parametrize("edge", EDGES, ids=lambda edge: f"{edge[0]} {edge[1]} {edge[3]} {edge[7]}")
def test_each_rule_refuses_from_its_edge_on(edge: tuple[str, str, dict[str, Any], str, Any, Any, str, str]) -> None:
    side, type, others, field, right, wrong, rule, code = edge
    assert _codes(side, type, **others, **{field: right}) == []
    assert (rule, code) in _codes(side, type, **others, **{field: wrong})


def test_what_is_left_of_a_position_can_be_closed_whatever_it_is_worth() -> None:
    small: dict[str, Any] = {"amount": "0.02", "market": SWAP}
    assert _codes("sell", "market", **small) == [("min_cost", "below_min_cost")]
    assert _codes("sell", "market", reduce_only=True, **small) == []
    assert _codes("sell", "market", reduce_only=True, amount="0.02") == [("min_cost", "below_min_cost")]


def test_a_purchase_back_must_be_paid_from_what_the_sale_brings() -> None:
    # 97 of its own, and 100 less 0.3 %; buying back at 196 takes 0.3 % more
    exit_ = {"stop_loss": leg(stop="196")}
    assert _codes("sell", "market", Purse("96.888"), **exit_) == []
    assert _codes("sell", "market", Purse("96.887"), **exit_) == [("stop_loss.funds", "insufficient_funds")]


def test_a_buying_pair_needs_what_its_dearer_order_does() -> None:
    pair = {"price": "90", "oco": oco("120")}
    assert _codes("buy", "limit", Purse("120.36"), **pair) == []
    assert _codes("buy", "limit", Purse("120.35"), **pair) == [("oco.funds", "insufficient_funds")]


@settings(max_examples=50)
@given(st.decimals("0.01", "4000", places=2))
def test_a_budget_buys_the_most_that_it_pays_for_with_the_fee(budget: Decimal) -> None:
    order = draft("buy", "market", quote_amount=budget)
    each = MARK * (1 + SPOT.taker_fee)
    assert order.amount % SPOT.amount_step == 0
    assert order.amount * each <= budget < (order.amount + SPOT.amount_step) * each
    assert order.needs() == ("USDT", order.amount * each)


@pytest.mark.parametrize(
    ("side", "type", "price", "rate"),
    [
        ("buy", "limit", "90", "0.001"),
        ("buy", "limit", "100", "0.003"),
        ("sell", "limit", "110", "0.001"),
        ("sell", "limit", "100", "0.003"),
        ("buy", "market", None, "0.003"),
        ("sell", "market", None, "0.003"),
    ],
)
def test_a_preview_takes_the_fee_of_what_rests_or_takes(side: str, type: str, price: str | None, rate: str) -> None:
    told = portfolio.preview(draft(side, type, amount="2", price=price), Purse(1000))
    cost = 2 * Decimal(price or 100)
    fee = cost * Decimal(rate)
    sign = 1 if side == "buy" else -1
    assert (told.cost, told.fee) == (cost, Fee(currency="USDT", cost=fee))
    assert told.balance_after == {"AAA": 1000 + sign * 2, "USDT": 1000 - sign * cost - fee}
