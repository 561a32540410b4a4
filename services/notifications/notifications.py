"""Notifications: what users are told in the application, by webhooks, e-mail and the bot, each thing once."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import Row, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

import models
from models import Database, Event, EventCounter, NotificationCursor
from services import audit
from services.audit import Origin
from services.bot import notices as bot_notices
from services.notifications import mail
from services.notifications.webhooks import send
from services.old_rows import delete_old
from services.paging import newest_first
from services.principals import Principal
from utils import clock, ids, json
from utils.errors import Forbidden
from utils.pages import Cursor, Page
from utils.wire import Message

Kind = Literal["fill", "rejection", "strategy_error", "tournament", "price_alert", "announcement"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEEP = timedelta(days=30)
"""How long notifications are kept, read or not."""

EVENTS = 500
"""How many events are told of in one transaction: orders wait for their commit meanwhile."""

_ROW = models.Notification
_CURSOR = NotificationCursor
_MOVE = update(_CURSOR).where(_CURSOR.user_id == bindparam("user")).values(event_id=bindparam("to"))


class Notification(Message, frozen=True, kw_only=True):
    """Something its user is told; `payload` is what it is about."""

    id: str
    kind: Kind
    title: str
    payload: dict[str, Any]
    read_at: datetime | None
    created_at: datetime


class Ways(Message, frozen=True, kw_only=True):
    """The ways in which a user is told of one kind of thing; by the operator's bot administrators alone."""

    kind: Kind
    in_app: bool = True
    webhook: bool = True
    email: bool = False
    bot: bool = False


class Told(NamedTuple):
    """What an event has to tell; `shared` names what several users are told alike, which the bot tells once."""

    kind: Kind
    title: str
    payload: Mapping[str, Any]
    shared: str | None = None


def notify(session: Session, user_id: str, told: Told) -> None:
    """Tell a user something, in the ways they chose, if the transaction of `session` commits."""
    notify_all(session, [(user_id, told)])


def notify_all(session: Session, news: Sequence[tuple[str, Told]]) -> None:
    """Tell users something each, in the ways they chose, if the transaction of `session` commits."""
    setting, user = models.NotificationSetting, models.User
    # the bot tells its operator alone: who is no administrator any more is not heard there
    by_bot = and_(setting.bot, user.role == "admin", user.is_active).label("bot")
    chosen = select(setting.user_id, setting.kind, setting.in_app, setting.webhook, setting.email, by_bot)
    chosen = chosen.join(user, user.id == setting.user_id).add_columns(user.username)
    chosen = chosen.where(setting.user_id.in_({user_id for user_id, _ in news}))
    ways = {(row.user_id, row.kind): row for row in session.execute(chosen)}
    rows, sent = [], []
    for user_id, told in news:
        way: Any = ways.get((user_id, told.kind)) or Ways(kind=told.kind)
        id = ids.new_id()
        row = {"id": id, "kind": told.kind, "title": told.title[:200], "created_at": clock.now()}
        if way.in_app:
            rows.append({**row, "user_id": user_id, "payload": json.dumps(told.payload).decode()})
        if way.webhook:
            sent.append((user_id, told.kind, {**row, "payload": told.payload}))
        if way.email:
            mail.send(session, user_id, told.kind, told.title, str(told.payload.get("message", "")))
        if way.bot:
            _by_bot(session, id, user_id, way.username, told)
    if rows:
        session.connection().execute(insert(_ROW), rows)
    if sent:
        send(session, sent)


def _by_bot(session: Session, id: str, user_id: str, username: str, told: Told) -> None:
    """Have the bot tell something: all administrators read what it tells, so that whose it is goes with it."""
    if told.shared is None:
        bot_notices.send(session, told.kind, f"{username}: {told.title}", id=id, user_id=user_id)
    else:
        text = f"{told.title}\n\n{told.payload.get('message', '')}".rstrip()
        bot_notices.send(session, told.kind, text, id=told.shared, user_id=None)


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
        query = newest_first(query, _ROW, cursor).limit(limit + 1)
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
        query = select(setting.kind, setting.in_app, setting.webhook, setting.email, setting.bot)
        query = query.where(setting.user_id == principal.user_id)
        with self._database.read() as connection:
            rows = [row._mapping for row in connection.execute(query)]
        is_admin = principal.role == "admin"
        chosen = {row["kind"]: Ways(**{**row, "bot": row["bot"] and is_admin}) for row in rows}
        return [chosen.get(kind, Ways(kind=kind)) for kind in KINDS]

    def choose(self, principal: Principal, origin: Origin, wanted: builtins.list[Ways]) -> builtins.list[Ways]:
        """Choose how the caller is told of some kinds of things, the last word on each; others stay as they are.

        :raises Forbidden: by the bot, and the caller is no administrator.
        """
        with self._database.write() as session:
            self.store(session, principal, wanted)
            audit.record(session, origin, "notifications.chosen", user_id=principal.user_id, target=principal.user_id)
        return self.ways(principal)

    def store(self, session: Session, principal: Principal, wanted: builtins.list[Ways]) -> None:
        """Store in the transaction of `session` what the caller chose.

        :raises Forbidden: by the bot, and the caller is no administrator.
        """
        if any(ways.bot for ways in wanted) and not principal.is_admin:
            raise Forbidden("The operator's bot tells administrators alone.")
        for ways in wanted:
            chosen = {"in_app": ways.in_app, "webhook": ways.webhook, "email": ways.email, "bot": ways.bot}
            row = {"user_id": principal.user_id, "kind": ways.kind, **chosen}
            statement = self._database.insert(models.NotificationSetting).values(row)
            session.execute(statement.on_conflict_do_update(index_elements=["user_id", "kind"], set_=chosen))

    def forget(self) -> None:
        """Delete what users were told long ago."""
        delete_old(self._database, _ROW, _ROW.created_at < clock.now() - KEEP)


class EventReader:
    """Turn account events into notifications: each once, for the cursor moves in the transaction that writes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begin = database.insert(_CURSOR).on_conflict_do_nothing(index_elements=["user_id"])

    def run(self) -> None:
        """Look at all that happened since the last time."""
        while self._step():
            pass

    def _step(self) -> bool:
        """Look at what happened to users, and tell whether there may be more."""
        with self._database.read() as connection:
            rows = connection.execute(_NEWS, {"most": EVENTS}).all()
        if rows:
            # events do not change: only what is written keeps others waiting
            looks = _looks(rows, is_cut=len(rows) == EVENTS)
            with self._database.write() as session:
                self._tell(session, looks)
        return len(rows) == EVENTS

    def _tell(self, session: Session, looks: Mapping[str, Look]) -> None:
        connection = session.connection()
        cursor = select(_CURSOR.user_id, _CURSOR.event_id).where(_CURSOR.user_id.in_(looks)).order_by(_CURSOR.user_id)
        new = [{"user_id": user_id, "event_id": 0} for user_id in sorted(looks) if not looks[user_id].seen]
        if new:
            connection.execute(self._begin, new)
        # one that looks at the same time waits here, and finds the cursor moved
        held = connection.execute(cursor.with_for_update()).all()
        mine = {user_id: looks[user_id] for user_id, event_id in held if event_id == looks[user_id].seen}
        news = [(user_id, told) for user_id, look in mine.items() for told in look.told]
        if news:
            notify_all(session, news)
        if mine:
            connection.execute(_MOVE, [{"user": user_id, "to": look.reached} for user_id, look in mine.items()])


class Look(NamedTuple):
    """What the events of a user after `seen`, up to `reached`, have to tell."""

    seen: int
    reached: int
    told: list[Told]


def _looks(rows: Sequence[Row[Any]], *, is_cut: bool) -> dict[str, Look]:
    """Return what rows of `_NEWS` tell, by user; of the last one there may be more when they were cut."""
    looks: dict[str, Look] = {}
    for row in rows:
        # what is not kept any more is not told of
        look = looks.setdefault(row.user_id, Look(row.seen, row.last_id, []))
        if row.id is not None:
            look.told.extend(tell(row.type, msgspec.json.decode(row.payload)))
    last = rows[-1]
    if is_cut and last.id is not None:
        looks[last.user_id] = looks[last.user_id]._replace(reached=last.id)
    return looks


def tell(type: str, event: Mapping[str, Any]) -> Iterator[Told]:
    """Yield what an account event has to tell its user."""
    if type == "trade":
        done = "Bought" if event["side"] == "buy" else "Sold"
        yield Told("fill", f"{done} {event['amount']} {event['symbol']} at {event['price']}", event)
    elif type == "order" and event["status"] == "rejected":
        yield Told("rejection", f"The order to {event['side']} {event['symbol']} was rejected", event)
    elif type == "strategy" and event.get("error") is not None:
        yield Told("strategy_error", f"The strategy {event['name']} failed: {event['error']}", event)


def _news() -> Any:
    """Return the query of events that may tell something and were not looked at, user by user.

    Users whose events tell nothing have a row without one.
    """
    seen = func.coalesce(_CURSOR.event_id, 0)
    telling = or_(
        Event.type.in_(("trade", "strategy")), and_(Event.type == "order", Event.payload.contains('"rejected"'))
    )
    event = and_(Event.user_id == EventCounter.user_id, Event.id > seen, telling)
    query = select(EventCounter.user_id, EventCounter.last_id, seen.label("seen"), Event.id, Event.type, Event.payload)
    query = query.outerjoin(_CURSOR, _CURSOR.user_id == EventCounter.user_id).outerjoin(Event, event)
    query = query.where(EventCounter.last_id > seen).order_by(EventCounter.user_id, Event.id)
    return query.limit(bindparam("most"))


_NEWS = _news()
