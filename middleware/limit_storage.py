"""Where hits are counted: a SQLite file that all worker processes share, or Redis."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from pathlib import Path
from typing import NamedTuple, Protocol

from limits.storage import RedisStorage

BUSY_SECONDS = 1.0
CLEAN_ONE_IN = 1000
"""Expired rows are removed at one of so many hits."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, count INTEGER, expires_at REAL) WITHOUT ROWID"
_HIT = """
INSERT INTO hits VALUES (:key, 1, :now + :seconds)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN expires_at > :now THEN count ELSE 0 END + 1,
    expires_at = CASE WHEN expires_at > :now THEN expires_at ELSE :now + :seconds END
RETURNING count, expires_at
"""


class Window(NamedTuple):
    """How many hits there were in a window so far, and when it ends, in Unix seconds."""

    hits: int
    ends_at: float


class Storage(Protocol):
    """Count hits in windows that begin with their first hit."""

    faults: tuple[type[Exception], ...]
    """What `hit` may raise."""

    def hit(self, key: str, seconds: float) -> Window:
        """Count a hit of `key`, whose windows last `seconds`."""


class SQLiteStorage:
    """Count in a file. Losing it in a crash loses at most a window's counts, so nothing is synced to the disk."""

    faults: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        # closed again at once: a connection must not be carried over a fork
        connection = self._connect()
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(_SCHEMA)
        connection.close()

    def hit(self, key: str, seconds: float) -> Window:
        """Count a hit of `key`, whose windows last `seconds`. :raises sqlite3.Error: when it cannot."""
        values = {"key": key, "now": time.time(), "seconds": seconds}
        # fetched to its end: until then the write is not done, and keeps the others from theirs
        (row,) = self._connection().execute(_HIT, values).fetchall()
        if random.randrange(CLEAN_ONE_IN) == 0:  # noqa: S311 - nothing secret about it
            self._connection().execute("DELETE FROM hits WHERE expires_at <= ?", (values["now"],))
        return Window(*row)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous=OFF")
        return connection


class RedisCounters:
    """Count in Redis, for several machines."""

    def __init__(self, url: str) -> None:
        self._redis = RedisStorage(url, socket_timeout=1, socket_connect_timeout=1)
        faults = self._redis.base_exceptions
        self.faults: tuple[type[Exception], ...] = faults if isinstance(faults, tuple) else (faults,)

    def hit(self, key: str, seconds: float) -> Window:
        """Count a hit of `key`, whose windows last `seconds`."""
        hits, ends_at = self._redis.incr(key, int(seconds)), time.time()
        with contextlib.suppress(*self.faults):  # it is counted, and only when it ends stays untold
            ends_at = self._redis.get_expiry(key)
        return Window(hits, ends_at)
