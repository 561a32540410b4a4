"""Turn rows into the messages that both sides of the bridge speak of, and back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import msgspec
from sqlalchemy import Row

from utils import wire
from utils.wire import FINAL_STATUSES, Fee


def order_row(order: wire.Order, user_id: str) -> dict[str, Any]:
    """Return the columns of `order`."""
    return {
        "id": order.id,
        "account_id": order.account,
        "user_id": user_id,
        "client_order_id": order.client_order_id,
        "mode": order.mode,
        "exchange": order.exchange,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "status": order.status,
        "amount": order.amount,
        "filled": order.filled,
        "price": order.price,
        "stop_price": order.stop_price,
        "trailing_percent": order.trailing_percent,
        "trailing_level": order.trailing_level,
        "average": order.average,
        "cost": order.cost,
        **_fee_columns(order.fee),
        "time_in_force": order.time_in_force,
        "reduce_only": order.reduce_only,
        "group_id": order.group_id,
        "parent_id": order.parent_id,
        "take_profit": _leg_column(order.take_profit),
        "stop_loss": _leg_column(order.stop_loss),
        "triggered_at": order.triggered_at,
        "exchange_order_id": order.exchange_order_id,
        "sent_at": order.sent_at,
        "replaced_by": order.replaced_by,
        "reject_code": order.reject_code,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "closed_at": order.updated_at if order.status in FINAL_STATUSES else None,
    }


def order_of(stored: Row[Any]) -> wire.Order:
    """Return the order that a row of `orders` holds."""
    return orders_of([stored])[0]


def orders_of(rows: Iterable[Row[Any]]) -> list[wire.Order]:
    """Return the orders that rows of `orders` hold."""
    return [_order(row) for row in _columns(rows)]


def _order(row: SimpleNamespace) -> wire.Order:
    return wire.Order(
        id=row.id,
        client_order_id=row.client_order_id,
        account=row.account_id,
        mode=row.mode,
        exchange=row.exchange,
        symbol=row.symbol,
        side=row.side,
        type=row.type,
        status=row.status,
        amount=row.amount,
        filled=row.filled,
        remaining=row.amount - row.filled,
        price=row.price,
        stop_price=row.stop_price,
        trailing_percent=row.trailing_percent,
        trailing_level=row.trailing_level,
        average=row.average,
        cost=row.cost,
        fee=_fee(row),
        time_in_force=row.time_in_force,
        reduce_only=row.reduce_only,
        group_id=row.group_id,
        parent_id=row.parent_id,
        take_profit=_leg(row.take_profit),
        stop_loss=_leg(row.stop_loss),
        triggered_at=row.triggered_at,
        reject_code=row.reject_code,
        created_at=row.created_at,
        updated_at=row.updated_at,
        sent_at=row.sent_at,
        exchange_order_id=row.exchange_order_id,
        replaced_by=row.replaced_by,
    )


def trade_row(trade: wire.Trade, user_id: str) -> dict[str, Any]:
    """Return the columns of `trade`."""
    return {
        "id": trade.id,
        "order_id": trade.order_id,
        "account_id": trade.account,
        "user_id": user_id,
        "mode": trade.mode,
        "exchange": trade.exchange,
        "symbol": trade.symbol,
        "side": trade.side,
        "price": trade.price,
        "amount": trade.amount,
        "cost": trade.cost,
        **_fee_columns(trade.fee),
        "realized_pnl": trade.realized_pnl,
        "exchange_trade_id": trade.exchange_trade_id,
        "created_at": trade.created_at,
    }


def trades_of(rows: Iterable[Row[Any]]) -> list[wire.Trade]:
    """Return the trades that rows of `trades` hold."""
    return [_trade(row) for row in _columns(rows)]


def _trade(row: SimpleNamespace) -> wire.Trade:
    return wire.Trade(
        id=row.id,
        order_id=row.order_id,
        account=row.account_id,
        mode=row.mode,
        exchange=row.exchange,
        symbol=row.symbol,
        side=row.side,
        price=row.price,
        amount=row.amount,
        cost=row.cost,
        fee=_fee(row),
        realized_pnl=row.realized_pnl,
        created_at=row.created_at,
        exchange_trade_id=row.exchange_trade_id,
    )


def ledger_row(
    *,
    entry_id: str,
    account: str,
    currency: str,
    amount: Decimal,
    kind: str,
    at: datetime,
    trade: wire.Trade | None = None,
    value: Decimal | None = None,
    exchange_entry_id: str | None = None,
) -> dict[str, Any]:
    """Return the columns of one ledger entry; `trade` is the fill it comes from, `value` what it was worth then."""
    return {
        "id": entry_id,
        "account_id": account,
        "currency": currency,
        "amount": amount,
        "kind": kind,
        "order_id": trade.order_id if trade else None,
        "trade_id": trade.id if trade else None,
        "value": value,
        "exchange_entry_id": exchange_entry_id,
        "created_at": at,
    }


def limits_row(limits: wire.RiskLimits, account: str) -> dict[str, Any]:
    """Return the columns of an account's risk limits."""
    columns = msgspec.structs.asdict(limits)
    symbols = limits.allowed_symbols
    columns["allowed_symbols"] = None if symbols is None else msgspec.json.encode(symbols).decode()
    return {"account_id": account, **columns}


def limits_of(row: Row[Any]) -> wire.RiskLimits:
    """Return the limits that a row of `risk_limits` holds."""
    symbols = row.allowed_symbols
    return wire.RiskLimits(
        max_order_value=row.max_order_value,
        max_open_orders=row.max_open_orders,
        max_position_value=row.max_position_value,
        max_daily_loss=row.max_daily_loss,
        price_collar=row.price_collar,
        allowed_symbols=None if symbols is None else msgspec.json.decode(symbols, type=list[str]),
        updated_at=row.updated_at,
    )


def _leg_column(leg: wire.ExitLeg | None) -> str | None:
    return None if leg is None else msgspec.json.encode(leg).decode()


def _leg(column: str | None) -> wire.ExitLeg | None:
    return None if column is None else msgspec.json.decode(column, type=wire.ExitLeg)


def _fee_columns(fee: Fee | None) -> dict[str, Any]:
    return {"fee_currency": fee.currency if fee else None, "fee_cost": fee.cost if fee else None}


def _columns(rows: Iterable[Row[Any]]) -> Iterator[SimpleNamespace]:
    """Yield the values of rows of one query by name; asking the rows for each takes three times as long."""
    names: tuple[str, ...] = ()
    for row in rows:
        names = names or row._fields
        yield SimpleNamespace(**dict(zip(names, row, strict=True)))


def _fee(row: SimpleNamespace) -> Fee | None:
    return Fee(currency=row.fee_currency, cost=row.fee_cost) if row.fee_currency is not None else None
