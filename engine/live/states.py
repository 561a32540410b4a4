"""The state of an order, given what the exchange says of it: a pure function that never goes back."""

from __future__ import annotations

from msgspec.structs import replace

from engine.live.outcomes import ExchangeOrder
from engine.orders import orders
from utils import clock, wire
from utils.money import ZERO
from utils.wire import IMMEDIATE, OrderStatus


def moved(order: wire.Order, state: ExchangeOrder) -> wire.Order:
    """Return what `order`, with the fills booked so far, is when the exchange says `state`.

    It is not over before every fill that the exchange counts is booked.
    """
    status = _over(order, state) if is_complete(order, state) else None
    status = status or _open(order)
    code = "exchange_rejected" if status == "rejected" else order.reject_code
    if (status, state.id, code) == (order.status, order.exchange_order_id, order.reject_code):
        return order
    return replace(order, status=status, exchange_order_id=state.id, reject_code=code, updated_at=clock.now())


def is_complete(order: wire.Order, state: ExchangeOrder) -> bool:
    """Tell whether every fill that the exchange counts is booked."""
    return state.filled is not None and order.filled >= state.filled


def _open(order: wire.Order) -> OrderStatus:
    if order.status == "pending_cancel":
        return "pending_cancel"
    return "partially_filled" if order.filled else "accepted"


def _over(order: wire.Order, state: ExchangeOrder) -> OrderStatus | None:
    if state.status == "open":
        return None
    if state.status == "closed" and order.filled > ZERO:
        return "filled"
    if state.status == "rejected" and order.status in {"pending_new", "unknown"} and not order.filled:
        return "rejected"
    if order.status == "pending_cancel":
        # cancelled because its day was over, or by its owner after that
        return "expired" if orders.is_expired(order, order.updated_at) else "canceled"
    if state.status == "expired" or order.time_in_force in IMMEDIATE:
        return "expired"
    return "canceled"
