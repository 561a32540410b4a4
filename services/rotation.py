"""Seal the stored keys of users anew under the first key of the ring, so that older ones can be given up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Row, func, select, update

from models import Credential, Database
from services import audit
from utils import credentials
from utils.errors import NotReady
from utils.vault import Sealed, Vault

BATCH = 200
"""Rows that are read at once; each is written in a transaction of its own."""


@dataclass
class Report:
    """What came of a rotation: how many were sealed anew, which could not be opened, how many rows need each key."""

    resealed: int = 0
    unreadable: list[str] = field(default_factory=list)
    needs: Counter[str] = field(default_factory=Counter)


class Rotation:
    """Bring every credential under the first key. It may be killed at any point, and run beside a working server."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def run(self) -> Report:
        """Seal row by row, until none is left that can be opened and needs another key.

        :raises NotReady: `credential_unreadable` when the ring is empty.
        """
        report = Report()
        last = ""
        while rows := self._older(last):
            for row in rows:
                if not self._reseal(row, report):
                    break  # its owner replaced the keys meanwhile: look again
                last = row.id
        with self._database.read() as connection:
            counted = connection.execute(select(Credential.key_id, func.count()).group_by(Credential.key_id))
            report.needs.update(dict(counted.all()))
        return report

    def _older(self, last: str) -> list[Row[str, str, str, str, bytes]]:
        row = Credential
        query = select(row.id, row.user_id, row.exchange, row.key_id, row.sealed)
        query = query.where(row.key_id != self._vault.key_id, row.id > last).order_by(row.id).limit(BATCH)
        with self._database.read() as connection:
            return list(connection.execute(query).all())

    def _reseal(self, row: Row[str, str, str, str, bytes], report: Report) -> bool:
        """Seal one row anew; return False when it is not what it was any more."""
        place = (row.user_id, row.exchange, row.id)
        try:
            keys = credentials.open(self._vault, Sealed(row.key_id, row.sealed), *place)
        except NotReady:
            report.unreadable.append(row.id)
            return True
        sealed = credentials.seal(self._vault, keys, *place)
        # only what was opened is replaced: keys that came in meanwhile stay. `updated_at` stays too: they are the same
        unchanged = (Credential.id == row.id, Credential.sealed == row.sealed, Credential.key_id == row.key_id)
        statement = update(Credential).where(*unchanged).returning(Credential.id)
        with self._database.write() as session:
            done = session.execute(statement.values(sealed=sealed.blob, key_id=sealed.key_id)).first() is not None
            if done:
                audit.record(session, audit.SYSTEM, "credential.resealed", user_id=None, target=row.id)
        report.resealed += done
        return done
