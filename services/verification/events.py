"""Checks of what clients were told: account events, the moves of orders in them, and idempotency keys."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, and_, cast, func, literal, or_, select, union_all

from models import Event, EventCounter, IdempotencyKey, Order
from models.events import RESET
from services.verification.difference import Difference
from utils.wire import OrderStatus, may_move

_FORGOTTEN = func.coalesce(EventCounter.forgotten_id, 0)


def gaps(connection: Connection) -> Iterator[Difference]:
    """Check that event ids grow by one from what was forgotten; only the reset after a restore may skip some."""
    before = func.coalesce(func.lag(Event.id).over(partition_by=Event.user_id, order_by=Event.id), _FORGOTTEN)
    numbered = (
        select(Event.user_id, Event.account_id, Event.id, Event.type, before.label("before"))
        .join(EventCounter, EventCounter.user_id == Event.user_id, isouter=True)
        .subquery()
    )
    query = select(numbered).where(numbered.c.id != numbered.c.before + 1, numbered.c.type != RESET)
    for row in connection.execute(query):
        told = f"event {row.id} follows {row.before}"
        yield Difference(check="event_gap", account=row.account_id, subject=f"user {row.user_id}", detail=told)


def counters(connection: Connection) -> Iterator[Difference]:
    """Check that the counter of each user is at the last event, so that no id is given twice."""
    last = select(Event.user_id, func.max(Event.id).label("last_id")).group_by(Event.user_id).subquery()
    query = select(last.c.user_id, last.c.last_id, EventCounter.last_id.label("counted")).join_from(
        last, EventCounter, EventCounter.user_id == last.c.user_id, isouter=True
    )
    for row in connection.execute(query.where(func.coalesce(EventCounter.last_id, -1) != last.c.last_id)):
        told = f"counter {row.counted}, last event {row.last_id}"
        yield Difference(check="event_counter", account=None, subject=f"user {row.user_id}", detail=told)
    empty = (
        select(EventCounter.user_id, EventCounter.last_id)
        .join(Event, Event.user_id == EventCounter.user_id, isouter=True)
        .where(Event.id.is_(None), EventCounter.last_id != EventCounter.forgotten_id)
    )
    for row in connection.execute(empty):
        told = f"counter {row.last_id}, no event"
        yield Difference(check="event_counter", account=None, subject=f"user {row.user_id}", detail=told)


def moves(connection: Connection) -> Iterator[Difference]:
    """Check that the statuses that events tell of an order are possible moves, and the last one is the order's."""
    told = select(
        Event.account_id,
        _field(connection, "id").label("order_id"),
        _field(connection, "status").label("status"),
        Event.id.label("number"),
        literal(False).label("forgotten"),
    ).where(Event.type == "order")
    orders = select(Order.account_id, Order.id, Order.status, literal(0), _is_older_than_events())
    # sorted, not joined: what stands in JSON has no index
    both = union_all(told, orders).order_by("order_id", "number")
    for order_id, rows in groupby(connection.execute(both), attrgetter("order_id")):
        order, *events = rows
        if order.number != 0:
            continue  # told of one that is not there
        # what became of an order before the events that are kept is not known any more
        before: OrderStatus | None = None if order.forgotten else "pending_new"
        for row in events:
            if before is not None and not may_move(before, row.status):
                yield _moved(order, order_id, f"moved from {before} to {row.status}")
            before = row.status
        if before not in (None, order.status):
            yield _moved(order, order_id, f"{order.status}, but the last event says {before}")


def keys(connection: Connection) -> Iterator[Difference]:
    """Check that every idempotency key leads to an order of its user, to an answer or to a refusal."""
    key = IdempotencyKey
    query = (
        select(key.user_id, key.key, key.order_id, Order.account_id)
        .join_from(key, Order, and_(Order.id == key.order_id, Order.user_id == key.user_id), isouter=True)
        .where(
            or_(
                and_(key.order_id.is_not(None), Order.id.is_(None)),
                and_(key.order_id.is_(None), key.answer.is_(None), key.fault.is_(None)),
            )
        )
    )
    for row in connection.execute(query):
        told = f"the user has no order {row.order_id}" if row.order_id else "leads to nothing"
        yield Difference(check="idempotency_key", account=None, subject=f"key {row.key} of {row.user_id}", detail=told)


def _is_older_than_events() -> ColumnElement[bool]:
    """Tell of an order that events of its may be forgotten."""
    first = select(Event.created_at).where(Event.user_id == Order.user_id).order_by(Event.id).limit(1).scalar_subquery()
    forgotten = select(EventCounter.forgotten_id).where(EventCounter.user_id == Order.user_id).scalar_subquery()
    return and_(func.coalesce(forgotten, 0) > 0, or_(first.is_(None), Order.created_at < first))


def _field(connection: Connection, name: str) -> Any:
    if connection.dialect.name == "sqlite":
        return func.json_extract(Event.payload, f"$.{name}")
    return cast(Event.payload, JSON)[name].as_string()


def _moved(row: Any, order_id: str, detail: str) -> Difference:
    return Difference(check="move", account=row.account_id, subject=f"order {order_id}", detail=detail)
