"""Account events for clients that resume: what they missed, and whether it is still stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from models import Database, Event, EventCounter
from utils import json
from utils.wire import AccountEvent

PAGE = 500


class Span(NamedTuple):
    """The ids a user's events have: those up to `forgotten` are not kept any more, `newest` is the last one.

    A client may resume after any id from `forgotten` to `newest`; after any other one it needs a reset.
    """

    forgotten: int
    newest: int

    def holds(self, since_id: int) -> bool:
        """Tell whether everything that followed `since_id` is kept."""
        return self.forgotten <= since_id <= self.newest


NOTHING = Span(0, 0)
"""Of a user to whom nothing has happened yet."""

_COLUMNS = (Event.user_id, Event.id, Event.account_id, Event.type, Event.created_at, Event.payload)
_SINCE = (
    select(*_COLUMNS)
    .where(Event.user_id == bindparam("user"), Event.id > bindparam("since"))
    .order_by(Event.id)
    .limit(bindparam("most"))
)
_SINCE_OF_ACCOUNT = _SINCE.where(Event.account_id == bindparam("account"))
_SPAN = select(EventCounter.forgotten_id, EventCounter.last_id).where(EventCounter.user_id == bindparam("user"))


class AccountEvents:
    """Read the events that the engine wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(
        self, user_id: str, since_id: int, *, account: str | None = None, limit: int = PAGE
    ) -> list[AccountEvent] | None:
        """Return a page of what happened to a user after the event `since_id`, oldest first.

        A page that is shorter than `limit` is the last one. None means that what followed is not kept any more, or
        that there never was such an event: the client has to read everything anew.

        :param account: only of this account, which must be the user's.
        """
        query, values = _SINCE, {"user": user_id, "since": since_id, "most": limit}
        if account is not None:
            query, values = _SINCE_OF_ACCOUNT, {**values, "account": account}
        with self._database.read() as connection:
            rows = connection.execute(query, values).all()
            # asked afterwards: what was forgotten until then may be missing above
            span = Span._make(connection.execute(_SPAN, {"user": user_id}).first() or NOTHING)
        return list(map(_event, rows)) if span.holds(since_id) else None

    def span(self, user_id: str) -> Span:
        """Return the ids that a user's events have."""
        return self.spans([user_id])[user_id]

    def spans(self, user_ids: Iterable[str]) -> dict[str, Span]:
        """Return the ids that the events of many users have."""
        found = dict.fromkeys(user_ids, NOTHING)
        given = self._database.texts("users")
        query = select(EventCounter.user_id, EventCounter.forgotten_id, EventCounter.last_id).join_from(
            given, EventCounter, EventCounter.user_id == given.c.value
        )
        with self._database.read() as connection:
            rows = connection.execute(query, {"users": json.dumps(list(found)).decode()})
            found.update((row.user_id, Span(row.forgotten_id, row.last_id)) for row in rows)
        return found


def _event(row: Any) -> AccountEvent:
    return AccountEvent(
        user_id=row.user_id,
        id=row.id,
        account=row.account_id,
        type=row.type,
        created_at=row.created_at,
        payload=row.payload.encode(),
    )
