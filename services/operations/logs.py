"""The log of all processes, for operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from utils.log_files import lines
from utils.wire import Message

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
"""From the least to the most grave."""


class LogWanted(Message, frozen=True, kw_only=True):
    """Which records are wanted: at least as grave as `level`, of `logger` and what is below it, not before `since`."""

    level: str | None = None
    logger: str | None = None
    since: datetime | None = None
    search: str | None = None
    limit: int = 100


class LogRecord(Message, frozen=True, kw_only=True):
    """What a process had to say; `fields` is what it gave beside the message."""

    time: datetime
    level: str
    process: str
    logger: str
    message: str
    fields: dict[str, Any]
    trace: str | None = None


class Logs:
    """Read the log files, in which secrets are masked already."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, wanted: LogWanted) -> list[LogRecord]:
        """Return the records that are wanted, the newest first."""
        return list(islice(self._matching(wanted), wanted.limit))

    def _matching(self, wanted: LogWanted) -> Iterator[LogRecord]:
        since = wanted.since.astimezone(UTC) if wanted.since else datetime.min.replace(tzinfo=UTC)
        matches = matcher(level=wanted.level, logger=wanted.logger, search=wanted.search)
        for line in lines(self._directory, wanted.since.timestamp() if wanted.since else 0.0):
            record = record_of(line)
            if record is not None and record.time >= since and matches(record):
                yield record


def matcher(*, level: str | None, logger: str | None, search: str | None) -> Callable[[LogRecord], bool]:
    """Return what tells whether a record is at least as grave, of the logger or one below it, and holds the text."""
    least = LEVELS.index(level) if level else 0
    needle = search.lower() if search else None

    def matches(record: LogRecord) -> bool:
        return (
            (not least or (record.level in LEVELS and LEVELS.index(record.level) >= least))
            and (logger is None or f"{record.logger}.".startswith(f"{logger}."))
            and (needle is None or _holds(record, needle))
        )

    return matches


def record_of(line: bytes) -> LogRecord | None:
    """Return what a line says, None when it was cut short, as by a full disk."""
    try:
        rest = orjson.loads(line)
        return LogRecord(
            time=datetime.fromisoformat(rest.pop("time")),
            level=rest.pop("level"),
            process=rest.pop("process"),
            logger=rest.pop("logger"),
            message=rest.pop("message"),
            trace=rest.pop("trace", None),
            fields=rest,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _holds(record: LogRecord, needle: str) -> bool:
    texts = (record.message, record.logger, record.process, record.trace or "")
    return any(needle in text.lower() for text in texts) or any(
        needle in f"{name}={value}".lower() for name, value in record.fields.items()
    )
