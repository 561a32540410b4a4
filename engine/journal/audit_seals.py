"""Seal the audit log into its hash chain, beside the requests that write it, and forget entries that are too old."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import Connection, bindparam, delete, select, update

from models import AuditEntry, Database, Installation
from models.seals import ANCHOR, HEAD, Link
from utils import clock
from utils.errors import StorageUnavailable

_log = logging.getLogger(__name__)
SEAL_SECONDS = 5.0
SWEEP_SECONDS = 3600.0
BATCH = 500
"""Entries that are sealed or deleted in one transaction: a few milliseconds in which orders wait for their commit."""

PAUSE_SECONDS = 0.02
_ENTRY = AuditEntry
_SEAL = update(_ENTRY).where(_ENTRY.id == bindparam("entry")).values(number=bindparam("place"), seal=bindparam("mark"))


class AuditSeals:
    """Seal every committed entry once, and keep those of the last `retention`."""

    def __init__(self, database: Database, retention: timedelta) -> None:
        self._database = database
        self._retention = retention

    async def run(self) -> None:
        """Seal every few seconds and sweep every hour, until cancelled."""
        sweep_at = asyncio.get_running_loop().time()
        while True:
            try:
                await self.seal()
                if asyncio.get_running_loop().time() >= sweep_at:
                    sweep_at += SWEEP_SECONDS
                    await self.sweep(clock.now())
            except StorageUnavailable as error:
                _log.warning("the audit log is sealed later: %s", error.detail)
            await asyncio.sleep(SEAL_SECONDS)

    async def seal(self) -> int:
        """Seal what is committed and not sealed yet, and return how many entries that was."""
        count = 0
        while sealed := await asyncio.to_thread(self._seal_batch):
            count += sealed
            await asyncio.sleep(PAUSE_SECONDS)
        return count

    async def sweep(self, moment: datetime) -> int:
        """Delete sealed entries that are too old at `moment`, and return how many; tell the log where the chain is.

        Whoever keeps that line elsewhere can tell when the whole chain was written anew.
        """
        count = 0
        while forgotten := await asyncio.to_thread(self._forget, moment - self._retention):
            count += forgotten
            await asyncio.sleep(PAUSE_SECONDS)
        head = await asyncio.to_thread(self._head)
        _log.info("the audit log is sealed up to entry %d: %s", head.number, head.seal or "-")
        return count

    def _seal_batch(self) -> int:
        with self._database.writing() as connection:
            unsealed = select(_ENTRY.__table__).where(_ENTRY.number.is_(None)).limit(BATCH)
            rows = sorted(connection.execute(unsealed), key=lambda row: (row.created_at, row.id))
            if not rows:
                return 0
            link, marks = _fact(connection, HEAD), []
            for row in rows:
                link = link.next(row)
                marks.append({"entry": row.id, "place": link.number, "mark": link.seal})
            connection.execute(_SEAL, marks)
            self._keep(connection, HEAD, link)
        return len(rows)

    def _forget(self, before: datetime) -> int:
        first = select(_ENTRY.number, _ENTRY.seal, _ENTRY.created_at).where(_ENTRY.number.is_not(None))
        with self._database.read() as connection:
            rows = connection.execute(first.order_by(_ENTRY.number).limit(BATCH)).all()
        old = list(takewhile(lambda row: row.created_at < before, rows))
        if old:
            with self._database.writing() as connection:
                connection.execute(delete(_ENTRY).where(_ENTRY.number <= old[-1].number))
                self._keep(connection, ANCHOR, Link(old[-1].number, old[-1].seal))
        return len(old)

    def _head(self) -> Link:
        with self._database.read() as connection:
            return _fact(connection, HEAD)

    def _keep(self, connection: Connection, key: str, link: Link) -> None:
        made = self._database.insert(Installation)
        kept = made.on_conflict_do_update(index_elements=["key"], set_={"value": made.excluded.value})
        connection.execute(kept, {"key": key, "value": link.encode()})


def _fact(connection: Connection, key: str) -> Link:
    query = select(Installation.value).where(Installation.key == key)
    return Link.decode(connection.execute(query).scalar_one_or_none())
