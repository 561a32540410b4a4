"""The rules for valid orders, checked before OctoBot sees an order: it checks next to nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from engine.orders import brackets
from engine.orders.drafts import PRICE_BAND, Draft, Funds, refuse
from utils.errors import Refused
from utils.money import HUNDRED, ONE, ZERO, is_multiple, plain
from utils.wire import GROUPABLE, MAX_TRAILING_PERCENT, PRICED, STOPPED, TRAILING, Check, OcoLeg


def check(order: Draft, funds: Funds) -> None:
    """Hold `order` against every rule.

    :raises Refused: with the code of the first rule it breaks.
    """
    for _, refusal in verdicts(order, funds):
        if refusal is not None:
            raise refusal


def checks(order: Draft, funds: Funds) -> list[Check]:
    """Return every rule's result."""
    return [result(name, refusal) for name, refusal in verdicts(order, funds)]


def result(name: str, refusal: Refused | None) -> Check:
    """Return a rule's result; no refusal is a pass."""
    if refusal is None:
        return Check(name=name, ok=True, code=None, message=None)
    return Check(name=name, ok=False, code=refusal.code, message=refusal.detail)


def verdicts(order: Draft, funds: Funds) -> Iterator[tuple[str, Refused | None]]:
    """Yield each rule's name and the refusal it leads to, in the order in which they are told."""
    yield "fields", _fields(order)
    yield "amount", _amount(order)
    yield "precision", _precision(order)
    yield "price_range", _price_range(order)
    yield "trigger_side", _trigger_side(order)
    yield "min_cost", _min_cost(order)
    yield "reduce_only", funds.reduce_only(order)
    yield "funds", funds.covers(order)
    if order.ticket.oco is not None:
        yield "oco.min_cost", _oco_min_cost(order, order.ticket.oco)
        yield "oco.funds", _oco_funds(order, order.ticket.oco, funds)
    yield from brackets.verdicts(order, funds)


def _fields(order: Draft) -> Refused | None:
    ticket = order.ticket
    if ticket.type in PRICED and ticket.price is None:
        return refuse("price_required", "price", f"A {ticket.type} order needs a price.")
    if ticket.type in STOPPED and ticket.stop_price is None:
        return refuse("stop_price_required", "stop_price", f"A {ticket.type} order needs a stop_price.")
    percent = ticket.trailing_percent
    if ticket.type in TRAILING and (percent is None or not ZERO < percent <= MAX_TRAILING_PERCENT):
        return refuse("invalid_trailing_percent", "trailing_percent", "trailing_percent must be above 0, at most 50.")
    if ticket.quote_amount is not None and (ticket.type, ticket.side) != ("market", "buy"):
        return refuse("quote_amount_not_allowed", "quote_amount", "quote_amount is for market buys alone.")
    if ticket.oco is not None and (ticket.type not in GROUPABLE or (ticket.type == "limit" and order.is_marketable)):
        return refuse("oco_not_allowed", "oco", "oco goes with a resting limit or take-profit order.")
    return None


def _amount(order: Draft) -> Refused | None:
    market, ticket = order.instrument, order.ticket
    field = "amount" if ticket.amount is not None else "quote_amount"
    given = ticket.amount if ticket.amount is not None else ticket.quote_amount
    if given is None or given <= 0:
        return refuse("invalid_amount", field, f"{field} must be above 0.")
    if order.amount < market.min_amount:
        return refuse("below_min_amount", field, f"The smallest amount is {plain(market.min_amount)} {market.base}.")
    if market.max_amount is not None and order.amount > market.max_amount:
        return refuse("above_max_amount", field, f"The largest amount is {plain(market.max_amount)} {market.base}.")
    return None


def _precision(order: Draft) -> Refused | None:
    market, ticket = order.instrument, order.ticket
    if not is_multiple(order.amount, market.amount_step):
        detail = f"The amount must be a multiple of {plain(market.amount_step)} {market.base}."
        return refuse("invalid_precision", "amount", detail)
    prices: list[tuple[str, Decimal | None]] = []
    if ticket.type in PRICED:
        prices.append(("price", ticket.price))
    if ticket.type in STOPPED:
        prices.append(("stop_price", ticket.stop_price))
    if ticket.oco is not None:
        prices += [("oco.stop_price", ticket.oco.stop_price), ("oco.price", ticket.oco.price)]
    for field, price in prices:
        if price is not None and not is_multiple(price, market.price_tick):
            detail = f"{field} must be a multiple of {plain(market.price_tick)} {market.quote}."
            return refuse("invalid_precision", field, detail)
    return None


def _price_range(order: Draft) -> Refused | None:
    ticket, low, high = order.ticket, order.mark / PRICE_BAND, order.mark * PRICE_BAND
    prices = {
        "price": ticket.price if ticket.type in PRICED else None,
        "stop_price": ticket.stop_price if ticket.type in STOPPED else None,
        "oco.stop_price": ticket.oco.stop_price if ticket.oco else None,
        "oco.price": ticket.oco.price if ticket.oco else None,
    }
    for field, price in prices.items():
        if price is not None and not low <= price <= high:
            return refuse("price_out_of_range", field, f"{field} is too far from the mark price {plain(order.mark)}.")
    return None


def _trigger_side(order: Draft) -> Refused | None:
    ticket = order.ticket
    if ticket.type in STOPPED and ticket.stop_price is not None:
        above = (ticket.side == "buy") == ticket.type.startswith("stop")
        if not _is_beyond(ticket.stop_price, order.mark, above=above):
            return _wrong_side("stop_price", above, order.mark)
    if ticket.oco is not None:
        above = ticket.side == "buy"
        if not _is_beyond(ticket.oco.stop_price, order.mark, above=above):
            return _wrong_side("oco.stop_price", above, order.mark)
    return None


def _is_beyond(price: Decimal, mark: Decimal, *, above: bool) -> bool:
    return price > mark if above else price < mark


def _wrong_side(field: str, above: bool, mark: Decimal) -> Refused:
    side = "above" if above else "below"
    return refuse("stop_price_wrong_side", field, f"{field} must be {side} the mark price {plain(mark)}.")


def _min_cost(order: Draft) -> Refused | None:
    market = order.instrument
    if market.type == "swap" and order.ticket.reduce_only:
        return None  # what is left of a position can always be closed
    if order.cost < market.min_cost:
        field = "amount" if order.ticket.amount is not None else "quote_amount"
        return refuse("below_min_cost", field, f"The smallest order is worth {plain(market.min_cost)} {market.quote}.")
    return None


def _oco_min_cost(order: Draft, leg: OcoLeg) -> Refused | None:
    market = order.instrument
    if order.amount * (leg.price or leg.stop_price) >= market.min_cost:
        return None
    return refuse("below_min_cost", "oco", f"The smallest order is worth {plain(market.min_cost)} {market.quote}.")


def _oco_funds(order: Draft, leg: OcoLeg, funds: Funds) -> Refused | None:
    # a pair locks once, for the first order; a stop that buys is the dearer one
    ticket = replace(order.ticket, type="stop" if leg.price is None else "stop_limit", oco=None)
    stop = replace(order, ticket=replace(ticket, price=leg.price, stop_price=leg.stop_price))
    refusal = funds.covers(stop)
    return None if refusal is None else refuse(refusal.code, "oco", refusal.detail)


def trailing_trigger(side: str, level: Decimal, percent: Decimal) -> Decimal:
    """Return the price at which a trailing order triggers whose best price so far is `level`."""
    share = percent / HUNDRED
    return level * (ONE - share) if side == "sell" else level * (ONE + share)
