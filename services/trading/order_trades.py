"""Orders with the trades that they led to, as of one moment."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

import models
from models import Database
from models.records import orders_of, trades_of
from services.principals import Principal
from services.trading.filters import Filters
from services.trading.orders import Orders
from utils.pages import Page
from utils.wire import Order, Trade

MOST_TRADES = 100
"""Trades of one order that are shown: its latest."""

_ROW = models.Trade


class TradedOrder(Order, frozen=True, kw_only=True):
    """An order, how many trades it led to, and the latest of them, oldest first."""

    trade_count: int
    trades: list[Trade]


class OrderTrades:
    """Read orders and their trades together."""

    def __init__(self, database: Database, orders: Orders) -> None:
        self._database = database
        self._orders = orders

    def list(self, principal: Principal, filters: Filters) -> Page[TradedOrder]:
        """Return a page of the caller's orders. :raises NotFound: when the account is not theirs."""
        query = self._orders.listed(principal, filters)
        with self._database.snapshot() as connection:
            page = Page.of(orders_of(connection.execute(query).all()), filters.limit)
            trades, counts = _trades(connection, [order.id for order in page.items])
        traded = [
            TradedOrder(
                **{name: getattr(order, name) for name in order.__struct_fields__},
                trade_count=counts.get(order.id, 0),
                trades=trades.get(order.id, []),
            )
            for order in page.items
        ]
        return Page(traded, page.limit, page.next_cursor)


def _trades(connection: Connection, orders: list[str]) -> tuple[dict[str, list[Trade]], dict[str, int]]:
    latest_first = func.row_number().over(partition_by=_ROW.order_id, order_by=(_ROW.created_at.desc(), _ROW.id.desc()))
    count = func.count().over(partition_by=_ROW.order_id)
    numbered = select(*_ROW.__table__.columns, latest_first.label("place"), count.label("trade_count"))
    chosen = numbered.where(_ROW.order_id.in_(orders)).subquery()
    query = select(chosen).where(chosen.c.place <= MOST_TRADES).order_by(chosen.c.created_at, chosen.c.id)
    rows = connection.execute(query).all() if orders else []
    trades: dict[str, list[Trade]] = {}
    for trade in trades_of(rows):
        trades.setdefault(trade.order_id, []).append(trade)
    return trades, {row.order_id: row.trade_count for row in rows}
