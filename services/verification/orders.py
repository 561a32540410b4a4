"""Checks of orders: their fills, ids, groups and brackets, and whether they come to an end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, true
from sqlalchemy.orm import aliased

from models import LedgerEntry, Order, Trade
from services.verification.difference import Difference
from utils import clock
from utils.money import ZERO, plain
from utils.wire import FINAL_STATUSES

PATIENCE = timedelta(minutes=1)
"""How long a live order may be on its way to an outcome."""
ROUNDING = Decimal("1e-9")
"""By which part of the cost an average, a quotient, may be off."""


def fills(connection: Connection) -> Iterator[Difference]:
    """Check that what an order says of its fills is what its trades say, and its status fits."""
    query = (
        select(Order.__table__, Trade.amount.label("traded"), Trade.cost.label("paid"))
        .join_from(Order, Trade, Trade.order_id == Order.id, isouter=True)
        .order_by(Order.id)
    )
    for _, rows in groupby(connection.execute(query), attrgetter("id")):
        traded, paid = ZERO, ZERO
        for row in rows:
            traded += row.traded or ZERO
            paid += row.paid or ZERO
        order = row
        if order.filled != traded:
            yield _of(order, "filled", f"filled {plain(order.filled)}, trades {plain(traded)}")
        if order.cost != paid:
            yield _of(order, "cost", f"cost {plain(order.cost)}, trades {plain(paid)}")
        average = ZERO if order.average is None else order.average
        if abs(average * order.filled - order.cost) > ROUNDING * order.cost or (average == 0) != (order.filled == 0):
            yield _of(order, "average", f"average {order.average} of {plain(order.cost)} for {plain(order.filled)}")
        if not _status_fits(order):
            closed = "closed" if order.closed_at else "open"
            told = f"{order.status} and {closed} with {plain(order.filled)} of {plain(order.amount)}"
            yield _of(order, "status", told)


def repetitions(connection: Connection) -> Iterator[Difference]:
    """Check that no client order id, and no order, fill or income of an exchange is there twice."""
    for check, table, columns, condition in (
        ("client_order_id", Order, (Order.account_id, Order.client_order_id), true()),
        (
            "exchange_order_id",
            Order,
            (Order.account_id, Order.symbol, Order.exchange_order_id),
            # one that was replaced may have left its id to its successor
            and_(Order.exchange_order_id.is_not(None), Order.status != "replaced"),
        ),
        (
            "exchange_trade_id",
            Trade,
            (Trade.account_id, Trade.symbol, Trade.exchange_trade_id),
            Trade.exchange_trade_id.is_not(None),
        ),
        (
            "exchange_entry_id",
            LedgerEntry,
            (LedgerEntry.account_id, LedgerEntry.exchange_entry_id),
            LedgerEntry.exchange_entry_id.is_not(None),
        ),
    ):
        query = select(*columns, func.count().label("times")).select_from(table).group_by(*columns)
        for account, *rest, times in connection.execute(query.where(condition).having(func.count() > 1)):
            yield Difference(check=check, account=account, subject=" ".join(rest), detail=f"is there {times} times")


def groups(connection: Connection) -> Iterator[Difference]:
    """Check that a one-cancels-the-other pair is whole: while one waits untouched, the other does too."""
    query = (
        select(Order.account_id, Order.group_id, Order.id, Order.status, Order.triggered_at)
        .where(Order.group_id.is_not(None))
        .order_by(Order.account_id, Order.group_id)
    )
    for (account, group), rows in groupby(connection.execute(query), attrgetter("account_id", "group_id")):
        members = list(rows)
        # a stop that has triggered and rests now, or a leg that fills, has canceled the other one
        untouched = [row for row in members if row.status == "accepted" and row.triggered_at is None]
        ended = [row for row in members if row.status in FINAL_STATUSES and row.status != "replaced"]
        if untouched and (ended or len(members) == 1):
            told = ", ".join(f"{row.id} {row.status}" for row in members)
            yield Difference(check="oco_group", account=account, subject=f"group {group}", detail=f"half open: {told}")


def exits(connection: Connection) -> Iterator[Difference]:
    """Check that an exit of a bracket has an entry, of the same account, that has filled."""
    entry = aliased(Order)
    query = (
        select(
            Order.__table__,
            entry.account_id.label("entry_account"),
            entry.status.label("entry_status"),
            entry.filled.label("entry_filled"),
        )
        .join_from(Order, entry, entry.id == Order.parent_id, isouter=True)
        .where(Order.parent_id.is_not(None))
    )
    for row in connection.execute(query):
        if row.entry_account != row.account_id:
            yield _of(row, "bracket", f"the account has no entry {row.parent_id}")
        elif row.closed_at is None and row.entry_filled == 0:
            yield _of(row, "bracket", f"{row.status} while its entry {row.parent_id} is {row.entry_status}, not filled")


def entries(connection: Connection) -> Iterator[Difference]:
    """Check that a bracket's entry that has filled has placed its exits; a live one within a minute."""
    exit_order = aliased(Order)
    query = (
        select(Order.__table__)
        .join_from(Order, exit_order, exit_order.parent_id == Order.id, isouter=True)
        .where(
            Order.status == "filled",
            or_(Order.take_profit.is_not(None), Order.stop_loss.is_not(None)),
            or_(Order.mode == "paper", Order.updated_at < clock.now() - PATIENCE),
            exit_order.id.is_(None),
        )
    )
    for row in connection.execute(query):
        yield _of(row, "bracket", "filled, but its exits were never placed")


def stuck(connection: Connection) -> Iterator[Difference]:
    """Check that no live order is on its way to an outcome for more than a minute."""
    query = select(Order.__table__).where(
        Order.mode == "live",
        Order.closed_at.is_(None),
        Order.status.in_(("unknown", "pending_new", "pending_cancel")),
        Order.updated_at < clock.now() - PATIENCE,
    )
    for row in connection.execute(query):
        yield _of(row, "stuck", f"{row.status} since {row.updated_at:%Y-%m-%dT%H:%M:%SZ}")


def _status_fits(order: Row[Any]) -> bool:
    if (order.status in FINAL_STATUSES) != (order.closed_at is not None) or order.filled > order.amount:
        return False
    if (order.status == "filled") != (order.filled == order.amount):
        return False
    if order.status in {"accepted", "pending_new", "rejected"}:
        return bool(order.filled == 0)
    return order.status != "partially_filled" or bool(order.filled > 0)


def _of(order: Row[Any], check: str, detail: str) -> Difference:
    return Difference(check=check, account=order.account_id, subject=f"order {order.id}", detail=detail)
