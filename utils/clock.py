"""Time: UTC, microseconds, one place to read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime


def wall() -> datetime:
    """Return the present moment in UTC, whatever clock this process goes by."""
    return datetime.now(UTC)


_read: Callable[[], datetime] = wall


def now() -> datetime:
    """Return the present moment in UTC."""
    return _read()


def go_by(read: Callable[[], datetime] | None) -> None:
    """Let this process go by another clock than the wall's, such as that of recorded candles; None goes back."""
    global _read  # noqa: PLW0603 - there is one present
    _read = read or wall


def from_ms(milliseconds: int) -> datetime:
    """Return the moment that lies `milliseconds` after the Unix epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_ms(moment: datetime) -> int:
    """Return the whole milliseconds from the Unix epoch to `moment`."""
    return int(moment.timestamp() * 1000)
