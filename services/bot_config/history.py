"""The history of the configuration: who changed what, and what it was then; never a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Select, insert, select
from sqlalchemy.orm import Session

import models
from models import Database
from services.bot_config.state import State, differences
from services.paging import newest_first
from utils import clock, ids
from utils.errors import NotFound
from utils.pages import Cursor, Page
from utils.wire import Message

Action = Literal["found", "changed_outside", "edited", "rolled_back", "profile_selected", "tentacle_edited"]
"""`found`: what there was before the first change; `changed_outside`: by OctoBot itself, or by hand."""

_ROW = models.BotConfigChange


class Author(Message, frozen=True, kw_only=True):
    """Who changed it."""

    id: str
    username: str


class Difference(Message, frozen=True, kw_only=True):
    """What was done at one place, a JSON pointer."""

    op: Literal["add", "remove", "replace"]
    path: str
    before: Any
    after: Any


class Change(Message, frozen=True, kw_only=True):
    """A change of the configuration; nobody is its author when it was not made through the API."""

    id: str
    created_at: datetime
    author: Author | None
    action: Action
    profile: str
    version: str
    changes: list[Difference]


class History:
    """Read the history."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, *, limit: int, cursor: Cursor | None = None) -> Page[Change]:
        """Return a page of changes, the newest first."""
        query = newest_first(_changes(), _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([_change(row) for row in rows], limit)


def notice(session: Session, state: State) -> None:
    """Remember a state that no change through the API has led to."""
    newest = select(_ROW.version, _ROW.snapshot).order_by(_ROW.created_at.desc(), _ROW.id.desc()).limit(1)
    row = session.execute(newest).first()
    if row is None:
        add(session, "found", None, state, [])
    elif row.version != state.version:
        changes = differences(msgspec.json.decode(row.snapshot), state.shown())
        add(session, "changed_outside", None, state, changes)


def add(session: Session, action: Action, user_id: str | None, after: State, changes: list[dict[str, Any]]) -> Change:
    """Remember a change, in the transaction that makes it."""
    values = {
        "id": ids.new_id(),
        "user_id": user_id,
        "action": action,
        "profile": after.profile.id,
        "version": after.version,
        "changes": msgspec.json.encode(changes).decode(),
        "snapshot": msgspec.json.encode(after.shown()).decode(),
        "created_at": clock.now(),
    }
    session.execute(insert(_ROW).values(**values))
    return _change(session.execute(_changes().where(_ROW.id == values["id"])).one())


def snapshot(session: Session | Connection, change_id: str) -> tuple[str, dict[str, Any]]:
    """Return the profile and the state after a change. :raises NotFound: `change_not_found`."""
    row = session.execute(select(_ROW.profile, _ROW.snapshot).where(_ROW.id == change_id)).first()
    if row is None:
        raise NotFound("There is no such change of the configuration.", code="change_not_found")
    return row.profile, msgspec.json.decode(row.snapshot)


def _changes() -> Select[Any]:
    columns = [column for column in _ROW.__table__.columns if column.name != "snapshot"]
    return select(*columns, models.User.username).outerjoin(models.User, models.User.id == _ROW.user_id)


def _change(row: Any) -> Change:
    return Change(
        id=row.id,
        created_at=row.created_at,
        author=None if row.user_id is None else Author(id=row.user_id, username=row.username),
        action=row.action,
        profile=row.profile,
        version=row.version,
        changes=msgspec.json.decode(row.changes, type=list[Difference]),
    )
