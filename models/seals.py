"""The hash chain of the audit log: each entry's seal covers the entry, its number and the seal before it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

HEAD = "audit.head"
"""The fact of the installation that names the last sealed entry."""

ANCHOR = "audit.anchor"
"""The fact that names the last entry that was forgotten: the chain goes on from there."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Link(NamedTuple):
    """A place in the chain."""

    number: int
    seal: str

    def encode(self) -> str:
        """Write the link as a fact of the installation."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str | None) -> Link:
        """Read what `encode` wrote; without it the chain begins."""
        return FIRST if text is None else msgspec.json.decode(text, type=Link)

    def next(self, entry: Any) -> Link:
        """Return the link that `entry`, a row of the audit log, makes after this one."""
        number = self.number + 1
        values = (
            self.seal,
            number,
            entry.id,
            (entry.created_at - _EPOCH) // _MICROSECOND,
            entry.user_id,
            entry.action,
            entry.target,
            entry.outcome,
            entry.error_code,
            entry.ip,
            entry.request_id,
            entry.detail,
        )
        return Link(number, hashlib.sha256(msgspec.json.encode(values)).hexdigest())


FIRST = Link(0, "")
