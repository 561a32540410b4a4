"""Whether an order of a live account is held here or by the exchange, and what the exchange is asked for."""

from __future__ import annotations

from typing import Literal

from utils import clock, wire
from utils.errors import Conflict, FieldError, Refused
from utils.wire import CONDITIONAL, FINAL_STATUSES, MARKET_ON_TRIGGER, UNCERTAIN_STATUSES

OVERTAKE_SECONDS = 15.0
"""How long the stop of a pair in a perpetual waits for its exchange to cancel the other one."""


def is_held(order: wire.Order) -> bool:
    """Tell whether an open order has not been sent: the exchange knows nothing of it."""
    return order.mode == "live" and order.sent_at is None and order.status not in FINAL_STATUSES


def waits(order: wire.Order) -> bool:
    """Tell whether a held order waits for a price; another one is to be sent as soon as that can be."""
    return is_held(order) and order.type in CONDITIONAL and order.triggered_at is None


def sent_as(order: wire.Order) -> Literal["market", "limit"]:
    """Return the type of the order that the exchange gets: it has no conditional ones."""
    return "market" if order.type == "market" or order.type in MARKET_ON_TRIGGER else "limit"


def may_move_balances(order: wire.Order) -> bool:
    """Tell whether an order may have traded already without that being known."""
    return order.status in UNCERTAIN_STATUSES or (order.sent_at is not None and sent_as(order) == "market")


def may_overtake(order: wire.Order) -> bool:
    """Tell whether a triggered order need not wait any longer for the end of its pair, which is not cancelled.

    It cannot do harm where both of them may only reduce a position. On spot the other one holds the funds of both.
    """
    if order.triggered_at is None or not order.reduce_only or ":" not in order.symbol:
        return False
    return (clock.now() - order.triggered_at).total_seconds() > OVERTAKE_SECONDS


def is_own(order: wire.Order) -> bool:
    """Tell whether the engine sends an order of itself, so that nobody is there to try it again."""
    return order.triggered_at is not None or order.parent_id is not None


def pending() -> Conflict:
    """Return the error for a change of an order whose last one is under way."""
    return Conflict("The order's last change is under way.", code="order_pending", retry_after=1)


def not_editable() -> Refused:
    """Return the error for the amount of a pair of which one order is at the exchange already."""
    return _refuse("not_editable", "The amount of a pair that is partly at the exchange cannot be changed.")


def amount_too_small() -> Refused:
    """Return the error for an amount that leaves nothing to trade."""
    return _refuse("invalid_amount", "The amount must be above what is filled.")


def _refuse(code: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field="amount", code=code, message=detail),))
