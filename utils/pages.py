"""Pages of lists: keyset cursors on `(created_at, id)`, opaque to clients."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from utils.errors import FieldError, Malformed

DEFAULT_LIMIT = 50
MAX_LIMIT = 500
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Cursor(NamedTuple):
    """The place after which a page starts: the last row of the page before."""

    created_at: datetime
    id: str

    def encode(self) -> str:
        """Write the cursor as clients carry it."""
        body = msgspec.json.encode(((self.created_at - EPOCH) // _MICROSECOND, self.id))
        return base64.urlsafe_b64encode(body).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Read what `encode` wrote.

        :raises Malformed: `invalid_cursor` when `text` is anything else.
        """
        try:
            body = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
            micros, row_id = msgspec.json.decode(body, type=tuple[int, str])
            created_at = EPOCH + micros * _MICROSECOND
        except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError, OverflowError):
            raise unreadable_cursor() from None
        if not row_id.isascii() or not row_id.isprintable() or len(row_id) > 64:
            raise unreadable_cursor()
        return cls(created_at, row_id)


class Placed(Protocol):
    """A row that has its place among others."""

    @property
    def created_at(self) -> datetime:
        """Return when it was made."""

    @property
    def id(self) -> str:
        """Return what tells it from others of the same moment."""


@dataclass(frozen=True)
class Page[T]:
    """A part of a list; `next_cursor` is None on the last page."""

    items: list[T]
    limit: int
    next_cursor: str | None

    @staticmethod
    def of[Row: Placed](rows: list[Row], limit: int) -> Page[Row]:
        """Make a page of `rows`, read with one row more than `limit` so that the end is known."""
        items = rows[:limit]
        last = items[-1] if len(rows) > limit else None
        return Page(items, limit, None if last is None else Cursor(last.created_at, last.id).encode())


@dataclass(frozen=True)
class Aged[T]:
    """A list, or a page of one, as it was known at `as_of`; `stale` when it is older than it should be.

    A client may keep it for `max_age` seconds, then ask whether it is still the same; None: it may not.
    """

    value: T
    as_of: datetime
    stale: bool = False
    max_age: int | None = None


def unreadable_cursor() -> Malformed:
    """Return the refusal of a cursor."""
    error = FieldError(field="cursor", code="invalid_cursor", message="Use next_cursor of the page before, unchanged.")
    return Malformed("The cursor is not one that this API gave out.", code="invalid_cursor", errors=(error,))
