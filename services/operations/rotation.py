"""Seal the stored secrets of users anew under the first key of the ring, so that older ones can be given up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.orm import InstrumentedAttribute

from models import Credential, Database, SecondFactor, Webhook
from services import audit
from services.notifications import webhooks
from services.users import second_factors
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


@dataclass(frozen=True)
class Shelf:
    """A table of sealed secrets: what one is called, its id, how it is sealed anew, what the audit log says then."""

    noun: str
    table: type[Credential | SecondFactor | Webhook]
    id: InstrumentedAttribute[str]
    reseal: Callable[[Vault, Row[Any]], Sealed]
    action: str


def _reseal_keys(vault: Vault, row: Row[Any]) -> Sealed:
    place = (row.user_id, row.exchange, row.id)
    return credentials.seal(vault, credentials.open(vault, Sealed(row.key_id, row.sealed), *place), *place)


def _reseal_totp(vault: Vault, row: Row[Any]) -> Sealed:
    context = second_factors.context(row.user_id)
    return vault.seal(vault.open(Sealed(row.key_id, row.sealed), context), context)


def _reseal_webhook(vault: Vault, row: Row[Any]) -> Sealed:
    context = webhooks.context(row.user_id, row.id)
    return vault.seal(vault.open(Sealed(row.key_id, row.sealed), context), context)


SHELVES = (
    Shelf("credential", Credential, Credential.id, _reseal_keys, "credential.resealed"),
    Shelf("second factor of", SecondFactor, SecondFactor.user_id, _reseal_totp, "totp.resealed"),
    Shelf("webhook", Webhook, Webhook.id, _reseal_webhook, "webhook.resealed"),
)
"""Everything that is sealed."""


class Rotation:
    """Bring every secret under the first key. It may be killed at any point, and run beside a working server."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def run(self) -> Report:
        """Seal row by row, until none is left that can be opened and needs another key.

        :raises NotReady: `credential_unreadable` when the ring is empty.
        """
        report = Report()
        for shelf in SHELVES:
            last = ""
            while rows := self._older(shelf, last):
                for row in rows:
                    if not self._reseal(shelf, row, report):
                        break  # its owner replaced it meanwhile: look again
                    last = getattr(row, shelf.id.key)
        with self._database.read() as connection:
            report.needs.update(needs(connection))
        return report

    def _older(self, shelf: Shelf, last: str) -> list[Row[Any]]:
        table = shelf.table
        query = select(table.__table__).where(table.key_id != self._vault.key_id, shelf.id > last)
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(shelf.id).limit(BATCH)).all())

    def _reseal(self, shelf: Shelf, row: Row[Any], report: Report) -> bool:
        """Seal one row anew; return False when it is not what it was any more."""
        table, row_id = shelf.table, getattr(row, shelf.id.key)
        try:
            sealed = shelf.reseal(self._vault, row)
        except NotReady:
            report.unreadable.append(f"{shelf.noun} {row_id}")
            return True
        # only what was opened is replaced: what came in meanwhile stays. `updated_at` stays too: it is the same
        unchanged = (shelf.id == row_id, table.sealed == row.sealed, table.key_id == row.key_id)
        statement = update(table).where(*unchanged).returning(shelf.id)
        with self._database.write() as session:
            done = session.execute(statement.values(sealed=sealed.blob, key_id=sealed.key_id)).first() is not None
            if done:
                audit.record(session, audit.SYSTEM, shelf.action, user_id=None, target=row_id)
        report.resealed += done
        return done


def needs(connection: Connection) -> Counter[str]:
    """Return how many rows need each key of the ring."""
    counted: Counter[str] = Counter()
    for shelf in SHELVES:
        query = select(shelf.table.key_id, func.count()).group_by(shelf.table.key_id)
        counted.update({row[0]: row[1] for row in connection.execute(query)})
    return counted
