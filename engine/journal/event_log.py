"""Delete account events that are too old; a client that resumes from before them reloads everything."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import delete, select, update

from models import Database, Event, EventCounter
from utils import clock
from utils.errors import StorageUnavailable

_log = logging.getLogger(__name__)
SWEEP_SECONDS = 3600.0
BATCH = 500
"""Events that are deleted in one transaction: a few milliseconds in which orders wait for their commit."""

PAUSE_SECONDS = 0.05


class EventLog:
    """Keep the events of the last `retention`, and each user's counter, which tells where they begin."""

    def __init__(self, database: Database, retention: timedelta) -> None:
        self._database = database
        self._retention = retention

    async def run(self) -> None:
        """Sweep every hour, until cancelled."""
        while True:
            try:
                await self.sweep(clock.now())
            except StorageUnavailable as error:
                _log.warning("old events are kept for now: %s", error.detail)
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self, moment: datetime) -> int:
        """Delete the events that are too old at `moment`, and return how many."""
        before = moment - self._retention
        count = 0
        for user_id in await asyncio.to_thread(self._users, before):
            while forgotten := await asyncio.to_thread(self._forget, user_id, before):
                count += forgotten
                await asyncio.sleep(PAUSE_SECONDS)
        if count:
            _log.info("forgot %d account events from before %s", count, before.date())
        return count

    def _users(self, before: datetime) -> list[str]:
        """Return the users whose oldest event is too old."""
        oldest = (
            select(Event.created_at)
            .where(Event.user_id == EventCounter.user_id, Event.id > EventCounter.forgotten_id)
            .order_by(Event.id)
            .limit(1)
            .scalar_subquery()
        )
        with self._database.read() as connection:
            return list(connection.execute(select(EventCounter.user_id).where(oldest < before)).scalars())

    def _forget(self, user_id: str, before: datetime) -> int:
        """Delete the oldest events of a user, a batch at most, and return how many."""
        theirs = select(Event.id, Event.created_at).where(Event.user_id == user_id).order_by(Event.id).limit(BATCH)
        with self._database.read() as connection:
            rows = connection.execute(theirs).all()
        old = [row.id for row in takewhile(lambda row: row.created_at < before, rows)]
        if old:
            with self._database.writing() as connection:
                connection.execute(delete(Event).where(Event.user_id == user_id, Event.id <= old[-1]))
                counted = update(EventCounter).where(EventCounter.user_id == user_id)
                connection.execute(counted.values(forgotten_id=old[-1]))
        return len(old)
