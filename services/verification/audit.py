"""Checks of the audit log: that its hash chain is whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, select

from models import AuditEntry, Installation
from models.seals import ANCHOR, HEAD, Link
from services.verification.difference import Difference


def chain(connection: Connection) -> Iterator[Difference]:
    """Check that every sealed entry is what it was when it was sealed, in its place, and none is missing."""
    sealed = select(AuditEntry.__table__).where(AuditEntry.number.is_not(None)).order_by(AuditEntry.number)
    walk = Walk(fact(connection, ANCHOR))
    yield from walk.steps(connection.execute(sealed))
    yield from walk.end(fact(connection, HEAD))


class Walk:
    """Go along the chain from a link, and tell what is not as it was sealed."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def steps(self, rows: Iterable[Any]) -> Iterator[Difference]:
        """Go over entries in the order of their numbers."""
        for row in rows:
            yield from self.step(row)

    def step(self, row: Any) -> Iterator[Difference]:
        """Go over one entry."""
        if row.number != self.link.number + 1:
            yield _missing(self.link.number + 1, row.number - 1)
            # what the missing one's seal was is not known: this entry cannot be held against it
            self.link = Link(row.number, row.seal)
            return
        if self.link.next(row).seal != row.seal:
            told = "was changed, or is in another's place, since it was sealed"
            yield Difference(check="audit_changed", account=None, subject=f"entry {row.number} ({row.id})", detail=told)
        self.link = Link(row.number, row.seal)

    def end(self, head: Link) -> Iterator[Difference]:
        """Hold the last entry against the head."""
        if self.link.number < head.number:
            yield _missing(self.link.number + 1, head.number)
        elif self.link != head:
            told = f"the chain ends with entry {self.link.number}, its head says {head.number}"
            yield Difference(check="audit_changed", account=None, subject="head", detail=told)


def fact(connection: Connection, key: str) -> Link:
    """Return a link that is kept as a fact of the installation."""
    query = select(Installation.value).where(Installation.key == key)
    return Link.decode(connection.execute(query).scalar_one_or_none())


def _missing(first: int, last: int) -> Difference:
    subject = f"entry {first}" if first == last else f"entries {first} to {last}"
    return Difference(check="audit_removed", account=None, subject=subject, detail="sealed once, not there any more")
