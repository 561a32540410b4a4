"""Brackets: the exits that an entry places when it fills, a one-cancels-the-other pair when there are two of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from engine.orders.drafts import PRICE_BAND, Draft, Funds, refuse
from utils import clock, wire
from utils.errors import Refused
from utils.ids import new_id
from utils.money import ONE, ZERO, is_multiple, plain, round_down
from utils.wire import ExitLeg, Instrument, OrderTicket, OrderType


def exit_type(name: str, leg: ExitLeg) -> OrderType:
    """Return the type of the order that a leg, `take_profit` or `stop_loss`, becomes."""
    if name == "stop_loss":
        return "stop" if leg.price is None else "stop_limit"
    if leg.stop_price is None:
        return "limit"
    return "take_profit" if leg.price is None else "take_profit_limit"


def legs(source: OrderTicket | wire.Order) -> list[tuple[str, ExitLeg]]:
    """Return the legs of a ticket or an order, by name."""
    found = (("take_profit", source.take_profit), ("stop_loss", source.stop_loss))
    return [(name, leg) for name, leg in found if leg is not None]


def exits(entry: wire.Order, market: Instrument, filled: Decimal) -> list[wire.Order]:
    """Return the orders that close what `filled` of an entry opened; a fee in the base currency is left out."""
    if entry.side == "buy" and entry.fee is not None and entry.fee.currency == market.base:
        filled = round_down(filled - entry.fee.cost, market.amount_step)
    found, moment = legs(entry), clock.now()
    group = new_id() if len(found) > 1 else None
    side: wire.Side = "sell" if entry.side == "buy" else "buy"
    made = []
    for name, leg in found:
        order_id = new_id()
        order = replace(
            entry,
            id=order_id,
            client_order_id=order_id,
            side=side,
            type=exit_type(name, leg),
            status="accepted",
            amount=filled,
            filled=ZERO,
            remaining=filled,
            price=leg.price,
            stop_price=leg.stop_price,
            trailing_percent=None,
            trailing_level=None,
            average=None,
            cost=ZERO,
            fee=None,
            time_in_force="gtc",
            reduce_only=side == "sell" or market.type != "spot",
            group_id=group,
            triggered_at=None,
            reject_code=None,
            created_at=moment,
            updated_at=moment,
            parent_id=entry.id,
            take_profit=None,
            stop_loss=None,
            sent_at=None,
            exchange_order_id=None,
            replaced_by=None,
        )
        made.append(order)
    return made


def verdicts(order: Draft, funds: Funds) -> Iterator[tuple[str, Refused | None]]:
    """Yield each rule's name and the refusal it leads to, for every leg of `order`."""
    for name, leg in legs(order.ticket):
        yield f"{name}.fields", _fields(order, name, leg)
        yield f"{name}.precision", _precision(order, name, leg)
        yield f"{name}.price_range", _price_range(order, name, leg)
        yield f"{name}.side", _side(order, name, leg)
        yield f"{name}.min_cost", _min_cost(order, name, leg)
        yield f"{name}.funds", _funds(order, name, leg, funds)


def _fields(order: Draft, name: str, leg: ExitLeg) -> Refused | None:
    if order.ticket.oco is not None or order.ticket.reduce_only:
        return refuse("bracket_not_allowed", name, f"{name} goes with an entry: no oco, not reduce_only.")
    if name == "stop_loss" and leg.stop_price is None:
        return refuse("stop_price_required", f"{name}.stop_price", "A stop_loss needs a stop_price.")
    if leg.price is None and leg.stop_price is None:
        return refuse("price_required", f"{name}.price", f"A {name} needs a price or a stop_price.")
    return None


def _precision(order: Draft, name: str, leg: ExitLeg) -> Refused | None:
    market = order.instrument
    for field, price in _prices(leg):
        if not is_multiple(price, market.price_tick):
            detail = f"{name}.{field} must be a multiple of {plain(market.price_tick)} {market.quote}."
            return refuse("invalid_precision", f"{name}.{field}", detail)
    return None


def _price_range(order: Draft, name: str, leg: ExitLeg) -> Refused | None:
    for field, price in _prices(leg):
        if not order.mark / PRICE_BAND <= price <= order.mark * PRICE_BAND:
            detail = f"{name}.{field} is too far from the mark price {plain(order.mark)}."
            return refuse("price_out_of_range", f"{name}.{field}", detail)
    return None


def _side(order: Draft, name: str, leg: ExitLeg) -> Refused | None:
    field, price = ("price", leg.price) if leg.stop_price is None else ("stop_price", leg.stop_price)
    if price is None:
        return None
    entry = _entry_price(order)
    above = (order.ticket.side == "buy") == (name == "take_profit")
    if price > entry if above else price < entry:
        return None
    side = "above" if above else "below"
    return refuse(f"{name}_wrong_side", f"{name}.{field}", f"{name}.{field} must be {side} the entry's {plain(entry)}.")


def _min_cost(order: Draft, name: str, leg: ExitLeg) -> Refused | None:
    market, price = order.instrument, leg.price or leg.stop_price
    if price is None or order.amount * price >= market.min_cost:
        return None
    return refuse("below_min_cost", name, f"The smallest order is worth {plain(market.min_cost)} {market.quote}.")


def _funds(order: Draft, name: str, leg: ExitLeg, funds: Funds) -> Refused | None:
    """Hold the leg against what the account would have after the entry; an exit that sells has what was bought."""
    price = leg.price or leg.stop_price
    if order.ticket.side == "buy" or order.instrument.type != "spot" or price is None:
        return None
    market, fee = order.instrument, order.instrument.taker_fee
    has = funds.free(market.quote) + order.amount * _entry_price(order) * (ONE - fee)
    needed = order.amount * price * (ONE + fee)
    if needed <= has:
        return None
    detail = f"After the entry {name} needs {plain(needed)} {market.quote}; there would be {plain(has)}."
    return refuse("insufficient_funds", name, detail)


def _entry_price(order: Draft) -> Decimal:
    return order.mark if order.takes else order.price


def _prices(leg: ExitLeg) -> list[tuple[str, Decimal]]:
    found = (("price", leg.price), ("stop_price", leg.stop_price))
    return [(field, price) for field, price in found if price is not None]
