"""Mark a restored database: it knows nothing of the time since its backup, while exchanges and clients do."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, insert, literal, select, update

from models import Account, Database, Event, EventCounter, Installation
from models import Session as SignIn
from models.events import RECONCILE, RESET
from services import audit
from utils import clock

JUMP = 2**32
"""How many event ids a restore skips: more than any client can have seen since the backup, and few of the 2**53 that a
JSON number holds."""


def renew(database: Database) -> int:
    """Prepare a restored database for clients and exchanges that have gone on; return the number of live accounts.

    - Every user's next event is a reset with an id beyond all that were ever given: a client that resumes after any
      id, also one that is lost, reads everything anew instead of missing what comes.
    - All sessions end, since those that were ended after the backup would be alive again.
    - Each live account is marked in `installation`: the engine has to reconcile it with its exchange.
    """
    moment = clock.now()
    with database.write() as session:
        _reset_clients(session.connection())
        session.execute(
            update(SignIn).where(SignIn.revoked_at.is_(None)).values(revoked_at=moment, revoked_reason="restored")
        )
        # of anybody: whatever was committed before the backup is in it, and an order is sent after its commit
        latest = select(func.max(Event.created_at)).where(Event.type != RESET).scalar_subquery()
        live = session.execute(
            select(Account.id, func.coalesce(latest, Account.created_at).label("known_until")).where(
                Account.mode == "live"
            )
        ).all()
        for row in live:
            # the mark of an earlier restore that nobody has dealt with reaches further back
            if session.get(Installation, f"{RECONCILE}{row.id}") is None:
                session.add(Installation(key=f"{RECONCILE}{row.id}", value=_written(row.known_until)))
        session.merge(Installation(key="restored_at", value=_written(moment)))
        audit.record(session, audit.SYSTEM, "installation.restored", user_id=None)
    return len(live)


def _reset_clients(connection: Connection) -> None:
    owners = select(Account.user_id, func.min(Account.id).label("account_id")).group_by(Account.user_id).subquery()
    uncounted = select(owners.c.user_id, literal(0)).where(owners.c.user_id.not_in(select(EventCounter.user_id)))
    connection.execute(insert(EventCounter).from_select(["user_id", "last_id"], uncounted))
    connection.execute(
        update(EventCounter)
        .where(EventCounter.user_id.in_(select(owners.c.user_id)))
        .values(last_id=EventCounter.last_id + JUMP)
    )
    resets = select(
        EventCounter.user_id,
        EventCounter.last_id,
        owners.c.account_id,
        literal(RESET),
        literal("{}"),
        literal(clock.now(), Event.created_at.type),
    ).join(owners, owners.c.user_id == EventCounter.user_id)
    columns = ["user_id", "id", "account_id", "type", "payload", "created_at"]
    connection.execute(insert(Event).from_select(columns, resets))


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
