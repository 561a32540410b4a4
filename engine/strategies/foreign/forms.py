"""Orders and trades of an account in the forms that ccxt has for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.demo.forms import float_form
from utils.clock import to_ms
from utils.wire import CONDITIONAL, Fee, Order, OrderStatus, OrderType, Portfolio, Side, Trade

STATUSES: dict[OrderStatus, str] = {
    "filled": "closed",
    "canceled": "canceled",
    "replaced": "canceled",
    "expired": "expired",
    "rejected": "rejected",
}
"""What ccxt calls a status; it calls all others open."""
_TYPES: dict[OrderType, str] = {"market": "market", "limit": "limit"}


def order_form(order: Order) -> dict[str, Any]:
    """Return ccxt's form of an order."""
    timestamp = to_ms(order.created_at)
    is_limit = order.price is not None
    return {
        "id": order.id,
        "clientOrderId": order.client_order_id,
        "timestamp": timestamp,
        "datetime": order.created_at.isoformat(),
        "lastTradeTimestamp": to_ms(order.updated_at) if order.filled else None,
        "symbol": order.symbol,
        "type": _TYPES.get(order.type, "limit" if is_limit else "market"),
        "timeInForce": order.time_in_force.upper(),
        "side": order.side,
        "price": float_form(order.price if order.price is not None else order.average),
        "stopPrice": float_form(order.stop_price) if order.type in CONDITIONAL else None,
        "triggerPrice": float_form(order.stop_price) if order.type in CONDITIONAL else None,
        "amount": float(order.amount),
        "cost": float(order.cost),
        "average": float_form(order.average),
        "filled": float(order.filled),
        "remaining": float(order.remaining),
        "reduceOnly": False,
        "status": STATUSES.get(order.status, "open"),
        "fee": _fee(order.fee),
        "trades": [],
        "info": {"status": order.status},  # an order without it is none in OctoBot's eyes
    }


def trade_form(trade: Trade) -> dict[str, Any]:
    """Return ccxt's form of a trade."""
    return {
        "id": trade.id,
        "order": trade.order_id,
        "timestamp": to_ms(trade.created_at),
        "datetime": trade.created_at.isoformat(),
        "symbol": trade.symbol,
        "type": None,
        "side": trade.side,
        "takerOrMaker": None,
        "price": float(trade.price),
        "amount": float(trade.amount),
        "cost": float(trade.cost),
        "fee": _fee(trade.fee),
        "info": {},
    }


def balance_form(portfolio: Portfolio) -> dict[str, Any]:
    """Return ccxt's form of what an account holds."""
    form: dict[str, Any] = {"free": {}, "used": {}, "total": {}, "info": {}}
    for currency, holding in portfolio.currencies.items():
        each = {"free": float(holding.free), "used": float(holding.locked), "total": float(holding.total)}
        form[currency] = each
        for name, amount in each.items():
            form[name][currency] = amount
    return form


def decimal_of(number: float | str | Decimal | None) -> Decimal | None:
    """Return a number of ccxt's as the decimal it was written as."""
    return None if number is None else Decimal(str(number))


def side_of(side: str) -> Side:
    """Return a side of ccxt's."""
    return "buy" if side == "buy" else "sell"


def _fee(fee: Fee | None) -> dict[str, Any] | None:
    return None if fee is None else {"currency": fee.currency, "cost": float(fee.cost), "rate": None}
