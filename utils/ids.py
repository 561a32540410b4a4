"""Identifiers: UUID version 7 (RFC 9562), which sort by the time they were made."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

_RANDOM_BYTES = 8
_AT_ONCE = 64
"""Asking the system for random bytes lets another thread run, and often that means to wait for it: once for 64 ids."""

_random: list[int] = []
os.register_at_fork(after_in_child=_random.clear)  # a parent and its child must not draw the same
_last = 0


def new_id() -> str:
    """Return a fresh identifier, 36 characters: milliseconds (48 bits), their 4096ths (12 bits) and 62 random bits."""
    global _last  # noqa: PLW0603 - threads that overtake each other make ids of one moment; chance tells them apart
    moment = _last = max(_last + 1, (time.time_ns() << 12) // 1_000_000)
    value = moment >> 12 << 80 | 7 << 76 | (moment & 0xFFF) << 64 | 2 << 62 | _draw() >> 2
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def first_id(moment: datetime) -> str:
    """Return an identifier below all that are made at `moment` or later, and above all made a millisecond earlier."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    text = f"{milliseconds << 80 | 7 << 76 | 2 << 62:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _draw() -> int:
    """Return 64 random bits."""
    while True:
        try:
            return _random.pop()
        except IndexError:
            drawn = os.urandom(_RANDOM_BYTES * _AT_ONCE)
            _random.extend(
                int.from_bytes(drawn[start : start + _RANDOM_BYTES]) for start in range(0, len(drawn), _RANDOM_BYTES)
            )
