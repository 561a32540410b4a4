"""The audit log as administrators read it: searched, as CSV, and held against its hash chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, func, select

from models import AuditEntry, Database
from models.seals import ANCHOR, HEAD, Link
from services.csv_lines import line
from services.paging import newest_first
from services.verification import Difference
from services.verification.audit import Walk, fact
from utils.pages import DEFAULT_LIMIT, Cursor, Page
from utils.wire import Message

COLUMNS = (
    *("id", "number", "created_at", "user_id", "action", "target", "outcome", "error_code", "ip", "request_id"),
    "detail",
)
SECONDS = 5.0
"""How long one search may take: a filter that hardly anything matches reads the whole log."""

CHUNK = 2_000
"""Entries of an export that are read at a time."""

VERIFIED_AT_ONCE = 20_000
FILTERED = ("user_id", "action", "outcome", "target", "ip", "request_id")
_ROW = AuditEntry


@dataclass(frozen=True, kw_only=True)
class AuditFilters:
    """Which entries are wanted, newest first; `after` and `until` bound the time, the first exclusive."""

    user_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    target: str | None = None
    ip: str | None = None
    request_id: str | None = None
    after: datetime | None = None
    until: datetime | None = None
    limit: int = DEFAULT_LIMIT
    cursor: Cursor | None = None


class Entry(Message, frozen=True, kw_only=True):
    """Who did what, to what, from where, with which outcome; `number` is None until it is sealed."""

    id: str
    number: int | None
    created_at: datetime
    user_id: str | None
    action: str
    target: str | None
    outcome: str
    error_code: str | None
    ip: str | None
    request_id: str | None
    detail: dict[str, Any] | None


class ChainReport(Message, frozen=True, kw_only=True):
    """What a walk along a part of the chain found; `next` is where to go on, None at the end.

    `head` is the number of the last sealed entry and `head_seal` its seal, `unsealed` how many wait for theirs.
    """

    first: int | None
    last: int | None
    entries: int
    differences: list[str]
    next: int | None
    head: int
    head_seal: str
    unsealed: int


class AuditLog:
    """Read the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, filters: AuditFilters) -> Page[Entry]:
        """Return a page of entries, newest first. :raises StorageUnavailable: when it takes longer than `SECONDS`."""
        rows = self._read(filters, filters.cursor, filters.limit + 1)
        return Page.of([_entry(row) for row in rows], filters.limit)

    def export(self, filters: AuditFilters) -> Iterator[str]:
        """Yield the entries as lines of a CSV file, newest first."""
        yield line(COLUMNS)
        last = filters.cursor
        while rows := self._read(filters, last, CHUNK):
            yield "".join(line(getattr(row, column) for column in COLUMNS) for row in rows)
            last = Cursor(rows[-1].created_at, rows[-1].id)

    def verify(self, after: int | None) -> ChainReport:
        """Hold the entries that follow number `after` against their seals, `VERIFIED_AT_ONCE` at most.

        :param after: None begins where the log does.
        """
        with self._database.snapshot() as connection:
            head = fact(connection, HEAD)
            start = fact(connection, ANCHOR)
            if after is not None and after > start.number:
                seal = select(_ROW.seal).where(_ROW.number == after)
                start = Link(after, connection.execute(seal).scalar() or "")
            sealed = select(_ROW.__table__).where(_ROW.number > start.number).order_by(_ROW.number)
            rows = connection.execute(sealed.limit(VERIFIED_AT_ONCE)).all()
            walk = Walk(start)
            found: list[Difference] = [*walk.steps(rows)]
            at_end = len(rows) < VERIFIED_AT_ONCE
            if at_end:
                found += walk.end(head)
            waiting = select(func.count()).select_from(_ROW).where(_ROW.number.is_(None))
            return ChainReport(
                first=rows[0].number if rows else None,
                last=rows[-1].number if rows else None,
                entries=len(rows),
                differences=[f"{each.check}: {each.subject}: {each.detail}" for each in found],
                next=None if at_end else walk.link.number,
                head=head.number,
                head_seal=head.seal,
                unsealed=connection.execute(waiting).scalar_one(),
            )

    def _read(self, filters: AuditFilters, last: Cursor | None, count: int) -> Any:
        with self._database.bounded(SECONDS) as connection:
            return connection.execute(_query(filters, last).limit(count)).all()


def _query(filters: AuditFilters, last: Cursor | None) -> Select[*tuple[Any, ...]]:
    query = select(_ROW.__table__)
    for name in FILTERED:
        wanted = getattr(filters, name)
        if wanted is not None:
            query = query.where(getattr(_ROW, name) == wanted)
    if filters.after is not None:
        query = query.where(_ROW.created_at > filters.after)
    if filters.until is not None:
        query = query.where(_ROW.created_at <= filters.until)
    return newest_first(query, _ROW, last)


def _entry(row: Any) -> Entry:
    values = {column: getattr(row, column) for column in COLUMNS}
    detail = values.pop("detail")
    return Entry(detail=None if detail is None else msgspec.json.decode(detail, type=dict[str, Any]), **values)
