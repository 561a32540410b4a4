"""Positions and margins to the last digit: nothing is gained by rounding, and edges are where they are said to be."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.futures.funds import FuturesFunds
from engine.futures.position import Position, initial_margin
from engine.orders import orders
from tests.unit.order_market import MARK, SWAP, draft
from utils import clock, wire
from utils.money import ZERO
from utils.wire import Side

D = Decimal
SYMBOL = SWAP.symbol
CLOSE = D("1e-12")
"""Average entry prices are kept to 18 digits."""
MARGIN_DIGIT = D("1e-8")

sides = st.sampled_from(["buy", "sell"])
amounts = st.integers(1, 900).map(lambda number: D(number) / 100)
prices = st.integers(1, 400).map(lambda number: D(number) / 2)
leverages = st.integers(1, 20).map(D)
fills = st.tuples(sides, amounts, prices, st.sampled_from([D(0), D("0.001"), D("0.003")]))


def _position(amount: str = "0", entry: str = "100", leverage: str = "4") -> Position:
    """Return a position that was opened in one fill."""
    flat, size = Position(symbol=SYMBOL, leverage=D(leverage)), D(amount)
    if not size:
        return flat
    return flat.filled("buy" if size > 0 else "sell", abs(size), D(entry), ZERO, clock.now())


@settings(max_examples=60)
@given(leverages, st.lists(fills, min_size=1, max_size=10))
def test_what_is_gained_is_what_was_paid_less_what_is_held(leverage: Decimal, steps: list[Any]) -> None:
    position, at = Position(symbol=SYMBOL, leverage=leverage), clock.now()
    cash = wallet = since_opened = ZERO
    for side, amount, price, rate in steps:
        fee, sign = amount * price * rate, 1 if side == "buy" else -1
        gain, before = position.gain(side, amount, price), position
        position = before.filled(side, amount, price, fee, at)
        wallet += gain - fee
        cash -= sign * amount * price + fee
        assert position.amount == before.amount + sign * amount
        opens = not before.amount or before.amount * position.amount < 0
        since_opened = (ZERO if opens else since_opened) + gain - fee
        if not before.amount * position.amount < 0:  # the fee of a reversal counts to what it closed
            assert position.realized_pnl == since_opened
        else:
            since_opened = position.realized_pnl
        # whatever was realised and is held is worth what it was exchanged for
        assert abs(wallet + position.unrealized_pnl(price) - cash - position.amount * price) < CLOSE
        if not position.amount:
            assert (position.margin, position.entry_price, position.opened_at) == (ZERO, None, None)
            continue
        assert position.entry_price is not None
        exact = abs(position.amount) * position.entry_price / leverage
        assert -CLOSE < position.margin - exact < len(steps) * MARGIN_DIGIT
        assert position.side == ("buy" if position.amount > 0 else "sell")


@settings(max_examples=60)
@given(sides, amounts, st.integers(100, 400).map(lambda number: D(number) / 2), leverages)
def test_the_liquidation_price_is_the_tick_at_which_the_margin_still_bears_the_loss(
    side: Side, amount: Decimal, entry: Decimal, leverage: Decimal
) -> None:
    position = Position(symbol=SYMBOL, leverage=leverage).filled(side, amount, entry, ZERO, clock.now())
    value = amount * entry
    rate = D("0.02") if value <= 1000 else D("0.05") if value <= 5000 else D("0.1")
    price, worse = position.liquidation_price(SWAP), -SWAP.price_tick if side == "buy" else SWAP.price_tick
    if price is None:  # a margin as large as the value cannot be lost above zero
        assert side == "buy"
        assert position.margin + SWAP.price_tick * amount > value * (1 + rate) - SWAP.price_tick * amount
        return
    left = position.margin - value * rate
    assert price % SWAP.price_tick == 0
    assert position.unrealized_pnl(price) + left >= 0 > position.unrealized_pnl(price + worse) + left
    assert position.is_lost(SWAP, price)
    assert position.is_lost(SWAP, price + worse)
    assert not position.is_lost(SWAP, price - worse)


def test_funding_and_leverage_change_what_they_say() -> None:
    position, at = _position("2"), clock.now()
    assert position.margin == 50
    paid = position.funded(D(-7), D(3), at)
    assert (paid.funding, paid.margin, paid.funded_at) == (-7, 47, at)
    assert paid.funded(D(2), ZERO, at).funding == -5
    assert position.leveraged(D(3), at).margin == D("66.66666667")


def _funds(wallet: str, position: Position, *resting: wire.Order, without: wire.Order | None = None) -> FuturesFunds:
    return FuturesFunds(D(wallet), {SYMBOL: position}, resting, {SYMBOL: SWAP}, without)


def _order(side: str, type: str = "limit", **fields: Any) -> wire.Order:
    return orders.new_order(draft(side, type, market=SWAP, **fields), "account", "paper")


def test_orders_that_could_open_something_lock_margin_and_taker_fee() -> None:
    resting, closing = _order("buy", amount="2", price="80"), _order("sell", price="120", reduce_only=True)
    stop = _order("buy", "stop", stop_price="110")
    triggered = wire.Order(
        **{name: getattr(_order("buy", "stop_limit", stop_price="110", price="60"), name)
           for name in wire.Order.__struct_fields__ if name != "triggered_at"},
        triggered_at=clock.now(),
    )  # fmt: skip
    funds = _funds("1000", _position("1"), resting, closing, stop, triggered)
    # 2 at 80 and 1 at 60, each a quarter and 0.3 %
    assert funds.orders_margin() == D("40.48") + D("15.18")
    assert funds.free() == 1000 - 25 - D("55.66")
    assert _funds("1000", _position("1"), resting, without=resting).free() == 975


@pytest.mark.parametrize("held", ["0", "1", "-1", "3", "-3"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_fill_leaves_free_what_was_computed_before_it(held: str, side: Side) -> None:
    position, price, amount = _position(held), D(110), D(2)
    after = position.filled(side, amount, price, D("0.66"), clock.now())
    wallet = 1000 + position.gain(side, amount, price) - D("0.66")
    assert _funds("1000", position).free_after(SYMBOL, side, amount, price) == wallet - after.margin


def test_what_is_triggered_is_held_against_all_that_is_free() -> None:
    # 2 at the mark: 50 of margin and 0.6 of fee; 2 at 120: 60 and 0.72
    stop, limit = _order("buy", "stop", amount="2", stop_price="110"), _order("buy", amount="2", price="120")
    for order, price, needed in ((stop, MARK, "50.6"), (limit, D(120), "60.72"), (limit, MARK, "50.6")):
        assert _funds(needed, _position()).affords(order, price)
        assert not _funds(str(D(needed) - MARGIN_DIGIT), _position()).affords(order, price)
    assert not _funds("1000000", _position(leverage="20")).affords(_order("buy", "stop", amount="11"), MARK)


def _refused(funds: FuturesFunds, side: str, type: str = "market", **fields: Any) -> str | None:
    order = draft(side, type, market=SWAP, **fields)
    refusal = funds.reduce_only(order) or funds.covers(order)
    return None if refusal is None else refusal.code


@pytest.mark.parametrize(
    ("side", "type", "fields", "needed"),
    [
        ("buy", "market", {"amount": "2"}, "50.6"),
        ("buy", "limit", {"amount": "2", "price": "100"}, "50.6"),
        ("buy", "limit", {"amount": "2", "price": "80"}, "40.48"),
        ("sell", "limit", {"amount": "2", "price": "120"}, "60.72"),
        ("buy", "stop", {"amount": "2", "stop_price": "120"}, "60.72"),
    ],
)
def test_an_order_needs_its_margin_and_fee(side: str, type: str, fields: dict[str, str], needed: str) -> None:
    assert _refused(_funds(needed, _position()), side, type, **fields) is None
    less = str(D(needed) - MARGIN_DIGIT)
    assert _refused(_funds(less, _position()), side, type, **fields) == "insufficient_funds"


def test_a_position_is_as_large_as_its_leverage_and_the_market_allow() -> None:
    def refused(leverage: str, held: str, amount: str, *resting: wire.Order, side: str = "buy") -> str | None:
        return _refused(_funds("1000000", _position(held, leverage=leverage), *resting), side, amount=amount)

    assert refused("20", "0", "10") is None
    assert refused("20", "0", "10.01") == "leverage_too_high"
    assert refused("10", "20", "30") is None
    assert refused("10", "20", "30.01") == "leverage_too_high"
    assert refused("4", "-40", "50", side="sell") is None
    assert refused("4", "-40", "50.01", side="sell") == "position_too_large"
    # what waits on the same side and could add to it counts, what may only reduce does not
    waiting = [_order("buy", amount="4", price="90"), _order("sell", amount="9", price="120")]
    closing = _order("buy", amount="9", price="90", reduce_only=True)
    assert refused("20", "1", "5", *waiting, closing) is None
    assert refused("20", "1", "5.01", *waiting, closing) == "leverage_too_high"
    # what makes it smaller is never too large; what turns it around may be
    assert refused("20", "30", "30", side="sell") is None
    assert refused("20", "30", "60.01", side="sell") == "leverage_too_high"


@pytest.mark.parametrize(
    ("held", "side", "amount", "code"),
    [
        ("2", "sell", "2", None),
        ("2", "sell", "2.01", "reduce_only_too_large"),
        ("2", "buy", "1", "reduce_only_without_position"),
        ("-2", "buy", "2", None),
        ("-2", "buy", "2.01", "reduce_only_too_large"),
        ("0", "sell", "1", "reduce_only_without_position"),
    ],
)
def test_reduce_only_goes_as_far_as_the_position(held: str, side: str, amount: str, code: str | None) -> None:
    assert _refused(_funds("50", _position(held)), side, amount=amount, reduce_only=True) == code


def test_margins_are_rounded_up() -> None:
    assert initial_margin(D(1), D(100), D(3)) == D("33.33333334")
    assert initial_margin(D(1), D(100), D(4)) == 25
