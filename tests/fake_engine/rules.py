"""The rules of the fake exchange, in the order they are asked; the engine keeps the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from tests.fake_engine import brackets
from tests.fake_engine.books import FakeAccount, FakeOrder, needed
from utils.errors import Conflict, FieldError, Malformed, Refused, TradingError
from utils.money import ONE, ZERO, is_multiple, round_down
from utils.wire import PRICED, STOPPED, TRAILING, Check, Instrument, OrderTicket

PRICE_FACTOR = 10
"""A limit may lie this many times above or below the mark."""

_FIELDS_OF_TYPE = {
    "price": PRICED,
    "stop_price": STOPPED,
    "trailing_percent": TRAILING,
}


@dataclass(frozen=True)
class Proposal:
    """A ticket held against an account and a market; `released` is the order an edit would replace."""

    ticket: OrderTicket
    amount: Decimal
    account: FakeAccount
    instrument: Instrument
    mark: Decimal
    released: FakeOrder | None = None
    prefix: str = ""

    @property
    def type(self) -> str:
        """Return the order's type; one that has been triggered is a limit order."""
        return "limit" if self.released is not None and self.released.is_resting else self.ticket.type

    def leg(self) -> Proposal | None:
        """Return the stop of a one-cancels-the-other pair, if there is one."""
        ticket = leg_ticket(self.ticket)
        if ticket is None:
            return None
        return Proposal(ticket, self.amount, self.account, self.instrument, self.mark, self.released, "oco.")


def leg_ticket(ticket: OrderTicket) -> OrderTicket | None:
    """Return the ticket of the pair's stop: same side and amount."""
    if ticket.oco is None:
        return None
    return OrderTicket(
        symbol=ticket.symbol,
        side=ticket.side,
        type="stop" if ticket.oco.price is None else "stop_limit",
        amount=ticket.amount,
        price=ticket.oco.price,
        stop_price=ticket.oco.stop_price,
        time_in_force=ticket.time_in_force,
        reduce_only=ticket.reduce_only,
    )


def resolved_amount(ticket: OrderTicket, instrument: Instrument, mark: Decimal) -> Decimal:
    """Return the ticket's amount; of a `quote_amount` the largest whose cost with the fee it covers."""
    if ticket.amount is not None:
        return ticket.amount
    money = ticket.quote_amount or ZERO
    unit = mark * (ONE + instrument.taker_fee)
    amount = round_down(max(money, ZERO) / unit, instrument.amount_step)
    # the quotient is rounded to the context's digits and may have gone up
    return amount - instrument.amount_step if amount * unit > money else amount


Broken = tuple[str, str, str] | None
"""Field, code and sentence of a rule that is broken."""


def _positive(p: Proposal) -> Broken:
    wanted = p.ticket.quote_amount if p.ticket.amount is None else p.amount
    if wanted is not None and wanted > 0:
        return None
    return _amount_field(p), "invalid_amount", "The amount must be above zero."


def _precision(p: Proposal) -> Broken:
    if not is_multiple(p.amount, p.instrument.amount_step):
        return "amount", "invalid_precision", f"The amount must be a multiple of {p.instrument.amount_step}."
    for name, price in (("price", p.ticket.price), ("stop_price", p.ticket.stop_price)):
        if price is not None and not is_multiple(price, p.instrument.price_tick):
            return name, "invalid_precision", f"The price must be a multiple of {p.instrument.price_tick}."
    return None


def _minimum(p: Proposal) -> Broken:
    if p.amount >= p.instrument.min_amount:
        return None
    return _amount_field(p), "below_min_amount", f"The smallest amount is {p.instrument.min_amount}."


def _maximum(p: Proposal) -> Broken:
    if p.instrument.max_amount is None or p.amount <= p.instrument.max_amount:
        return None
    return _amount_field(p), "above_max_amount", f"The largest amount is {p.instrument.max_amount}."


def _cost(p: Proposal) -> Broken:
    if p.amount * (p.mark if p.ticket.price is None else p.ticket.price) >= p.instrument.min_cost:
        return None
    return _amount_field(p), "below_min_cost", f"The smallest order is worth {p.instrument.min_cost}."


def _range(p: Proposal) -> Broken:
    price = p.ticket.price
    if price is None or p.mark / PRICE_FACTOR <= price <= p.mark * PRICE_FACTOR:
        return None
    return "price", "price_out_of_range", f"The price is more than {PRICE_FACTOR} times away from {p.mark}."


def _stop_side(p: Proposal) -> Broken:
    stop = p.ticket.stop_price
    if stop is None or p.type == "limit":
        return None
    must_be_above = (p.ticket.side == "buy") == p.type.startswith("stop")
    if stop > p.mark if must_be_above else stop < p.mark:
        return None
    side = "above" if must_be_above else "below"
    return "stop_price", "stop_price_wrong_side", f"The stop price must be {side} the price of {p.mark}."


def _reduce_only(p: Proposal) -> Broken:
    if not p.ticket.reduce_only or p.ticket.side == "sell":
        return None
    return "reduce_only", "reduce_only_spot", "A buy on a spot market never reduces a position."


def _funds(p: Proposal) -> Broken:
    currency, need = needed(p.ticket, p.amount, p.instrument, p.mark)
    takes_at_once = p.type in {"market", "limit"}
    have = p.account.free(currency, p.released) if takes_at_once else p.account.total(currency)
    if have >= need:
        return None
    return _amount_field(p), "insufficient_funds", f"This takes {need} {currency}, there are {have}."


def _client_order_id(p: Proposal) -> Broken:
    wanted = p.ticket.client_order_id
    taken = p.released is None and any(order.client_order_id == wanted for order in p.account.orders.values())
    if not taken:
        return None
    return "client_order_id", "duplicate_client_order_id", "An order of this account has this id already."


RULES: tuple[tuple[str, Callable[[Proposal], Broken]], ...] = (
    ("amount", _positive),
    ("precision", _precision),
    ("min_amount", _minimum),
    ("max_amount", _maximum),
    ("min_cost", _cost),
    ("price_range", _range),
    ("stop_side", _stop_side),
    ("reduce_only", _reduce_only),
    ("client_order_id", _client_order_id),
    ("funds", _funds),
)


def check(proposal: Proposal) -> None:
    """Hold `proposal` against every rule.

    :raises Refused: at the first rule it breaks. :raises Conflict: when its client order id is taken.
    """
    for _name, field, broken in _results(proposal):
        if broken is not None:
            raise _error(field, broken)


def checks(proposal: Proposal) -> list[Check]:
    """Return how `proposal` stands with every rule; a pair's stop is listed with the prefix `oco.`."""
    return [
        Check(name=name, ok=broken is None, code=broken and broken[1], message=broken and broken[2])
        for name, _field, broken in _results(proposal)
    ]


def _results(proposal: Proposal) -> Iterator[tuple[str, str, Broken]]:
    for name, rule in RULES:
        broken = rule(proposal)
        yield proposal.prefix + name, proposal.prefix + (broken[0] if broken else ""), broken
    leg = proposal.leg()
    if leg is not None:
        yield from _results(leg)
    yield from brackets.results(proposal, _entry_price(proposal))


def _entry_price(p: Proposal) -> Decimal:
    """Return the price at which an entry is expected to fill."""
    price = p.ticket.price if p.ticket.price is not None else p.ticket.stop_price
    if price is None:
        return p.mark
    takes = p.type == "limit" and (price >= p.mark if p.ticket.side == "buy" else price <= p.mark)
    return p.mark if takes else price


def _error(field: str, broken: tuple[str, str, str]) -> TradingError:
    _field, code, message = broken
    family = Conflict if code == "duplicate_client_order_id" else Refused
    return family(message, code=code, errors=(FieldError(field=field, code=code, message=message),))


def _amount_field(p: Proposal) -> str:
    return "quote_amount" if p.ticket.amount is None else "amount"


def check_complete(ticket: OrderTicket) -> None:
    """Refuse to guess what the API must have asked for. :raises Malformed: naming the field."""
    for name, types in _FIELDS_OF_TYPE.items():
        if ticket.type in types and getattr(ticket, name) is None:
            error = FieldError(field=name, code="required", message=f"A {ticket.type} order needs it.")
            raise Malformed(f"A {ticket.type} order needs {name}.", errors=(error,))


def check_editable(order: FakeOrder, name: str) -> None:
    """Let only what still matters be changed. :raises Refused: when the order has no such field (any more)."""
    if name in {"take_profit", "stop_loss"}:
        if order.parent_id is None and order.group_id is None:
            return
        error = FieldError(field=name, code="not_editable", message="An exit has none itself.")
        raise Refused(f"This order has no {name} to change.", code="not_editable", errors=(error,))
    spent = order.triggered_at is not None and name in {"stop_price", "trailing_percent"}
    if name == "amount" or (order.ticket.type in _FIELDS_OF_TYPE[name] and not spent):
        return
    error = FieldError(field=name, code="not_editable", message=f"This {order.ticket.type} order has none to change.")
    raise Refused(f"This {order.ticket.type} order has no {name} to change.", code="not_editable", errors=(error,))
