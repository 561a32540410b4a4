"""Stream tickets: what browsers, which cannot send a header with a stream, put into its URL instead of a token."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import batched

from sqlalchemy import bindparam, delete, insert, select, update

from models import Database, StreamTicket
from services import audit
from services.audit import Origin
from services.principals import Principal
from services.users import session_rows
from utils import clock
from utils.errors import Unauthenticated
from utils.wire import Message

LIFETIME = timedelta(seconds=30)
"""How long a ticket waits for its first use."""

PATIENCE = timedelta(minutes=15)
"""How long after its last use a ticket still lets an event source reconnect."""

MAX_LENGTH = 128
AT_ONCE = 500
"""Tickets in one statement: databases bound the number of parameters."""

_GOOD = (StreamTicket.digest == bindparam("ticket")) & (StreamTicket.good_until > bindparam("now"))
_FRESH = _GOOD & StreamTicket.is_used.is_(False)
_SPEND = delete(StreamTicket).where(_FRESH).returning(StreamTicket.session_id)
_USE = (
    update(StreamTicket)
    .where(_GOOD)
    .values(is_used=True, good_until=bindparam("until"))
    .returning(StreamTicket.session_id)
)
_SPENDABLE = select(StreamTicket.session_id).where(_FRESH)
_USABLE = select(StreamTicket.session_id).where(_GOOD)


class Ticket(Message, frozen=True, kw_only=True):
    """A fresh ticket; `expires_in` are the seconds in which it must be used."""

    ticket: str
    expires_in: int


class Tickets:
    """Give out tickets and redeem them; only their hashes are stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(self, principal: Principal, origin: Origin) -> Ticket:
        """Return a ticket for streams, which dies with the caller's session."""
        ticket, now = secrets.token_urlsafe(32), clock.now()
        with self._database.write() as session:
            session.execute(delete(StreamTicket).where(StreamTicket.good_until <= now))
            session.execute(
                insert(StreamTicket).values(
                    digest=_digest(ticket), session_id=principal.session_id, good_until=now + LIFETIME, is_used=False
                )
            )
            audit.record(
                session, origin, "stream_ticket.issued", user_id=principal.user_id, target=principal.session_id
            )
        return Ticket(ticket=ticket, expires_in=int(LIFETIME.total_seconds()))

    def redeem(self, ticket: str, *, for_websocket: bool) -> Principal:
        """Return who `ticket` stands for, with nothing but the right to read.

        A WebSocket uses it up. An event source, which repeats its URL when it reconnects, may come again with it as
        long as its last use is not older than `PATIENCE` (see `keep`); no WebSocket is opened with it any more.

        :raises Unauthenticated: `ticket_invalid` when it is unknown, used up or too old, `session_ended` when its
            session has ended.
        """
        if not ticket.isascii() or len(ticket) > MAX_LENGTH:
            raise _invalid()
        now = clock.now()
        given = {"ticket": _digest(ticket), "now": now}
        # looked at first: anybody may send anything, and the database has one writer at a time
        with self._database.read() as connection:
            session_id = connection.execute(_SPENDABLE if for_websocket else _USABLE, given).scalar()
            if session_id is None:
                raise _invalid()
            caller = session_rows.caller(connection, session_id)
        with self._database.writing() as connection:
            if for_websocket:
                found = connection.execute(_SPEND, given)
            else:
                found = connection.execute(_USE, {**given, "until": now + PATIENCE})
            if found.scalar() is None:  # somebody else was faster
                raise _invalid()
        return replace(caller, is_read_only=True)

    def keep(self, tickets: Iterable[str]) -> None:
        """Note that the streams which were opened with `tickets` are still open: that is a use of them.

        To be called every few minutes, and when such a stream breaks: otherwise one of an hour could not come back.
        """
        now = clock.now()
        for some in batched(tickets, AT_ONCE):
            good = StreamTicket.digest.in_(map(_digest, some)) & StreamTicket.is_used.is_(True)
            with self._database.writing() as connection:
                connection.execute(update(StreamTicket).where(good).values(good_until=now + PATIENCE))


def _digest(ticket: str) -> str:
    # 256 random bits need neither salt nor a slow hash
    return hashlib.sha256(ticket.encode()).hexdigest()


def _invalid() -> Unauthenticated:
    return Unauthenticated("The ticket is not good any more; ask for another one.", code="ticket_invalid")
