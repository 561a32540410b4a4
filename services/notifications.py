"""Notifications: what users are told in the application, by webhooks and by e-mail, each thing once."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import Select, delete, func, insert, select, tuple_, update
from sqlalchemy.orm import Session

import models
from models import Database, Event, EventCounter, NotificationCursor
from services import audit, mail
from services.audit import Origin
from services.principals import Principal
from services.webhooks import send
from utils import clock, ids, json
from utils.pages import Cursor, Page
from utils.wire import Message

Kind = Literal["fill", "rejection", "strategy_error", "tournament", "price_alert", "announcement"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEEP = timedelta(days=30)
"""How long notifications are kept, read or not."""

USERS = 50
EVENTS = 200
"""How much is looked at in one transaction: orders wait for their commit meanwhile."""

_ROW = models.Notification


class Notification(Message, frozen=True, kw_only=True):
    """Something its user is told; `payload` is what it is about."""

    id: str
    kind: Kind
    title: str
    payload: dict[str, Any]
    read_at: datetime | None
    created_at: datetime


class Ways(Message, frozen=True, kw_only=True):
    """The ways in which a user is told of one kind of thing."""

    kind: Kind
    in_app: bool = True
    webhook: bool = True
    email: bool = False


class Told(NamedTuple):
    """What an event has to tell."""

    kind: Kind
    title: str
    payload: Mapping[str, Any]


def notify(session: Session, user_id: str, told: Told) -> None:
    """Tell a user something, in the ways they chose, if the transaction of `session` commits."""
    setting = models.NotificationSetting
    query = select(setting.kind, setting.in_app, setting.webhook, setting.email)
    chosen = session.execute(query.where(setting.user_id == user_id, setting.kind == told.kind)).first()
    ways = Ways(kind=told.kind) if chosen is None else Ways(**chosen._mapping)
    row = {"id": ids.new_id(), "kind": told.kind, "title": told.title[:200], "created_at": clock.now()}
    if ways.in_app:
        payload = json.dumps(told.payload).decode()
        session.execute(insert(_ROW).values(**row, user_id=user_id, payload=payload))
    if ways.webhook:
        send(session, user_id, told.kind, {**row, "payload": told.payload})
    if ways.email:
        mail.send(session, user_id, told.kind, told.title, str(told.payload.get("message", "")))


class Notifications:
    """Show users what they were told, and let them choose how they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self, principal: Principal, *, unread: bool = False, limit: int, cursor: Cursor | None = None
    ) -> Page[Notification]:
        """Return a page of what the caller was told, newest first."""
        query = select(_ROW.id, _ROW.kind, _ROW.title, _ROW.payload, _ROW.read_at, _ROW.created_at)
        query = query.where(_ROW.user_id == principal.user_id)
        if unread:
            query = query.where(_ROW.read_at.is_(None))
        if cursor is not None:
            query = query.where(tuple_(_ROW.created_at, _ROW.id) < tuple_(cursor.created_at, cursor.id))
        query = query.order_by(_ROW.created_at.desc(), _ROW.id.desc()).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        found = [Notification(**{**row._mapping, "payload": msgspec.json.decode(row.payload)}) for row in rows]
        return Page.of(found, limit)

    def unread(self, principal: Principal) -> int:
        """Return how many notifications the caller has not read."""
        query = select(func.count()).select_from(_ROW)
        query = query.where(_ROW.user_id == principal.user_id, _ROW.read_at.is_(None))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def read(self, principal: Principal, chosen: builtins.list[str] | None) -> int:
        """Mark notifications of the caller as read, all of them for None; return how many are unread then."""
        statement = update(_ROW).where(_ROW.user_id == principal.user_id, _ROW.read_at.is_(None))
        if chosen is not None:
            statement = statement.where(_ROW.id.in_(chosen))
        with self._database.write() as session:
            session.execute(statement.values(read_at=clock.now()), execution_options={"synchronize_session": False})
        return self.unread(principal)

    def ways(self, principal: Principal) -> builtins.list[Ways]:
        """Return how the caller is told of each kind of thing."""
        setting = models.NotificationSetting
        query = select(setting.kind, setting.in_app, setting.webhook, setting.email)
        query = query.where(setting.user_id == principal.user_id)
        with self._database.read() as connection:
            chosen = {row.kind: Ways(**row._mapping) for row in connection.execute(query)}
        return [chosen.get(kind, Ways(kind=kind)) for kind in KINDS]

    def choose(self, principal: Principal, origin: Origin, wanted: builtins.list[Ways]) -> builtins.list[Ways]:
        """Choose how the caller is told of some kinds of things, the last word on each; others stay as they are."""
        with self._database.write() as session:
            for ways in wanted:
                chosen = {"in_app": ways.in_app, "webhook": ways.webhook, "email": ways.email}
                row = {"user_id": principal.user_id, "kind": ways.kind, **chosen}
                statement = self._database.insert(models.NotificationSetting).values(row)
                session.execute(statement.on_conflict_do_update(index_elements=["user_id", "kind"], set_=chosen))
            audit.record(session, origin, "notifications.chosen", user_id=principal.user_id, target=principal.user_id)
        return self.ways(principal)

    def forget(self) -> None:
        """Delete what users were told long ago."""
        with self._database.write() as session:
            session.execute(delete(_ROW).where(_ROW.created_at < clock.now() - KEEP))


class EventReader:
    """Turn account events into notifications: each once, for the cursor moves in the transaction that writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self) -> None:
        """Look at all that happened since the last time."""
        while self._step():
            pass

    def _step(self) -> bool:
        """Look at some events of some users, and tell whether there may be more."""
        with self._database.read() as connection:
            if connection.execute(_behind().limit(1)).first() is None:
                return False
        with self._database.write() as session:
            behind = session.execute(_behind().limit(USERS)).all()
            for user_id, last_id, seen in behind:
                self._read(session, user_id, last_id, seen)
        return bool(behind)

    def _read(self, session: Session, user_id: str, last_id: int, seen: int) -> None:
        query = select(Event.id, Event.type, Event.payload).where(Event.user_id == user_id, Event.id > seen)
        # one that looks at the same time waits here, and finds the cursor moved
        statement = self._database.insert(NotificationCursor).values(user_id=user_id, event_id=seen)
        session.execute(statement.on_conflict_do_nothing(index_elements=["user_id"]))
        cursor = select(NotificationCursor.event_id).where(NotificationCursor.user_id == user_id).with_for_update()
        if session.execute(cursor).scalar_one() != seen:
            return
        events = session.execute(query.order_by(Event.id).limit(EVENTS)).all()
        for event in events:
            for told in tell(event.type, msgspec.json.decode(event.payload)):
                notify(session, user_id, told)
        # what is not kept any more is not told of
        reached = events[-1].id if events else last_id
        moved = update(NotificationCursor).where(NotificationCursor.user_id == user_id)
        session.execute(moved.values(event_id=reached), execution_options={"synchronize_session": False})


def tell(type: str, event: Mapping[str, Any]) -> Iterator[Told]:
    """Yield what an account event has to tell its user."""
    if type == "trade":
        done = "Bought" if event["side"] == "buy" else "Sold"
        yield Told("fill", f"{done} {event['amount']} {event['symbol']} at {event['price']}", event)
    elif type == "order" and event["status"] == "rejected":
        yield Told("rejection", f"The order to {event['side']} {event['symbol']} was rejected", event)
    elif type == "strategy" and event.get("error") is not None:
        yield Told("strategy_error", f"The strategy {event['name']} failed: {event['error']}", event)


def _behind() -> Select[str, int, int]:
    """Return the query of users with events that were not looked at: the last one, and the last that was."""
    cursor = NotificationCursor
    seen = func.coalesce(cursor.event_id, 0)
    query = select(EventCounter.user_id, EventCounter.last_id, seen)
    return query.outerjoin(cursor, cursor.user_id == EventCounter.user_id).where(EventCounter.last_id > seen)
