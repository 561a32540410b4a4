"""Time: UTC, microseconds, one place to read it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


def from_ms(milliseconds: int) -> datetime:
    """Return the moment that lies `milliseconds` after the Unix epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
