"""Orders as values: what a ticket makes, what an order needs, and which state follows."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from engine.orders import kinds
from engine.orders.drafts import Draft
from utils import clock, wire
from utils.errors import Conflict, FieldError, Refused
from utils.ids import new_id
from utils.money import ONE, ZERO
from utils.ties import tied_id
from utils.wire import CONDITIONAL, FINAL_STATUSES, PRICED, STOPPED, TRAILING, Fee, Instrument, Mode, OrderTicket


class Fill(msgspec.Struct, frozen=True):
    """What OctoBot executed: the trade's id, price, base amount and fee."""

    trade_id: str
    price: Decimal
    amount: Decimal
    fee: Fee


def new_order(draft: Draft, account: str, mode: Mode) -> wire.Order:
    """Return the accepted order that `draft` becomes; without a client order id its own id serves as one."""
    ticket, moment = draft.ticket, clock.now()
    # an exchange will know the order by its id alone
    tied = mode == "live" and ticket.client_order_id is not None
    order_id = tied_id(account, ticket.client_order_id or "") if tied else new_id()
    return wire.Order(
        id=order_id,
        client_order_id=ticket.client_order_id or order_id,
        account=account,
        mode=mode,
        exchange=draft.instrument.exchange,
        symbol=ticket.symbol,
        side=ticket.side,
        type=ticket.type,
        status="accepted",
        amount=draft.amount,
        filled=ZERO,
        remaining=draft.amount,
        price=ticket.price if ticket.type in PRICED else None,
        stop_price=ticket.stop_price if ticket.type in STOPPED else None,
        trailing_percent=ticket.trailing_percent if ticket.type in TRAILING else None,
        trailing_level=draft.mark if ticket.type in TRAILING else None,
        average=None,
        cost=ZERO,
        fee=None,
        time_in_force=ticket.time_in_force,
        reduce_only=ticket.reduce_only,
        group_id=new_id() if ticket.oco is not None else None,
        triggered_at=None,
        reject_code=None,
        created_at=moment,
        updated_at=moment,
        take_profit=ticket.take_profit,
        stop_loss=ticket.stop_loss,
    )


def trade(order: wire.Order, fill: Fill, gain: Decimal | None, moment: datetime) -> wire.Trade:
    """Return the trade that a fill of an order is; it realized `gain`."""
    return wire.Trade(
        id=fill.trade_id,
        order_id=order.id,
        account=order.account,
        mode=order.mode,
        exchange=order.exchange,
        symbol=order.symbol,
        side=order.side,
        price=fill.price,
        amount=fill.amount,
        cost=fill.price * fill.amount,
        fee=fill.fee,
        realized_pnl=gain,
        created_at=moment,
    )


def filled(order: wire.Order, trade: wire.Trade) -> wire.Order:
    """Return an order that `trade` filled at once and wholly."""
    return replace(
        order,
        status="filled",
        filled=trade.amount,
        remaining=ZERO,
        average=trade.price,
        cost=trade.cost,
        fee=trade.fee,
        updated_at=trade.created_at,
    )


def oco_stop(draft: Draft, first: wire.Order) -> wire.Order | None:
    """Return the second order of an OCO pair, a stop of the same side and amount; None when there is no pair."""
    leg = draft.ticket.oco
    if leg is None:
        return None
    ticket = replace(
        draft.ticket,
        type="stop" if leg.price is None else "stop_limit",
        amount=draft.amount,
        price=leg.price,
        stop_price=leg.stop_price,
        client_order_id=None,
        oco=None,
    )
    return replace(new_order(replace(draft, ticket=ticket), first.account, first.mode), group_id=first.group_id)


def rests_as_limit(order: wire.Order) -> bool:
    """Tell whether an open order waits for its limit price (and locks funds), not for a trigger."""
    return order.type not in CONDITIONAL or order.triggered_at is not None


def ticket_of(order: wire.Order) -> OrderTicket:
    """Return the ticket that would place what is left of `order`; a triggered one is a limit by now."""
    return OrderTicket(
        symbol=order.symbol,
        side=order.side,
        type="limit" if rests_as_limit(order) else order.type,
        amount=order.remaining,
        price=order.price,
        stop_price=order.stop_price,
        trailing_percent=order.trailing_percent,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        take_profit=order.take_profit,
        stop_loss=order.stop_loss,
    )


def edited(order: wire.Order, command: wire.EditOrder) -> wire.Order:
    """Return `order` with the fields of `command` that are given.

    :raises Refused: `not_editable` when the order has no such field, or it does not matter any more; `invalid_amount`
        when nothing is left to trade.
    """
    changes: dict[str, Decimal] = {}
    for field in ("amount", "price", "stop_price", "trailing_percent"):
        value = getattr(command, field)
        if value is None:
            continue
        spent = order.triggered_at is not None and field in {"stop_price", "trailing_percent"}
        if getattr(order, field) is None or spent:
            detail = f"This {order.type} order has no {field} to change."
            error = FieldError(field=field, code="not_editable", message=detail)
            raise Refused(detail, code="not_editable", errors=(error,))
        changes[field] = value
    amount = changes.get("amount", order.amount)
    if amount <= order.filled:
        raise kinds.amount_too_small()
    return replace(
        order, **changes, **_edited_exits(order, command), remaining=amount - order.filled, updated_at=clock.now()
    )


def _edited_exits(order: wire.Order, command: wire.EditOrder) -> dict[str, wire.ExitLeg]:
    changes = {}
    for field in ("take_profit", "stop_loss"):
        leg = getattr(command, field)
        if leg is None:
            continue
        if order.parent_id is not None or order.group_id is not None:
            detail = f"This order is an exit itself and has no {field}."
            error = FieldError(field=field, code="not_editable", message=detail)
            raise Refused(detail, code="not_editable", errors=(error,))
        changes[field] = leg
    return changes


def needs(order: wire.Order, price: Decimal, market: Instrument) -> tuple[str, Decimal]:
    """Return the currency and the amount that filling `order` at `price` takes, the taker fee included."""
    if order.side == "buy":
        return market.quote, order.amount * price * (ONE + market.taker_fee)
    return market.base, order.amount


def is_expired(order: wire.Order, moment: datetime) -> bool:
    """Tell whether a day order's day (UTC) is over."""
    midnight = order.created_at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return order.time_in_force == "day" and order.status not in FINAL_STATUSES and moment >= midnight


def not_open(order: wire.Order) -> Conflict:
    """Return the error for a command on an order that is final."""
    return Conflict(f"The order is {order.status}.", code="order_not_open")
