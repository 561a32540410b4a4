"""Where hits are counted: a SQLite file that all worker processes share, or Redis; and what happens when that fails."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from flask import g
from limits.storage import Storage

from utils.errors import Overloaded

BUSY_SECONDS = 1.0
CLEAN_ONE_IN = 1000
"""Expired rows are removed at one of so many hits."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS hits (key TEXT PRIMARY KEY, count INTEGER, expires_at REAL) WITHOUT ROWID"
_HIT = """
INSERT INTO hits VALUES (:key, :amount, :now + :expiry)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN expires_at > :now THEN count ELSE 0 END + :amount,
    expires_at = CASE WHEN expires_at > :now THEN expires_at ELSE :now + :expiry END
RETURNING count
"""
_logger = logging.getLogger(__name__)


class SQLiteStorage(Storage):
    """Count in a file. Losing it in a crash loses at most a window's counts, so nothing is synced to the disk."""

    STORAGE_SCHEME = ["sqlite"]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._local = threading.local()
        # closed again at once: a connection must not be carried over a fork
        connection = self._connect()
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(_SCHEMA)
        connection.close()

    @property
    def base_exceptions(self) -> type[Exception]:
        """Return the class of everything that can go wrong here."""
        return sqlite3.Error

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add `amount` hits to `key`, whose window lasts `expiry` seconds from its first hit; return all of them."""
        values = {"key": key, "amount": amount, "now": time.time(), "expiry": expiry}
        (count,) = self._connection().execute(_HIT, values).fetchall()[0]
        if random.randrange(CLEAN_ONE_IN) == 0:  # noqa: S311 - nothing secret about it
            self._connection().execute("DELETE FROM hits WHERE expires_at <= ?", (values["now"],))
        return cast(int, count)

    def get(self, key: str) -> int:
        """Return the hits of `key` in its present window."""
        row = self._live(key)
        return 0 if row is None else row[0]

    def get_expiry(self, key: str) -> float:
        """Return when the present window of `key` ends, in Unix seconds; now when there is none."""
        row = self._live(key)
        return time.time() if row is None else row[1]

    def check(self) -> bool:
        """Tell whether hits can be counted."""
        try:
            self._connection().execute("SELECT 1 FROM hits LIMIT 1")
        except sqlite3.Error:
            return False
        return True

    def reset(self) -> int:
        """Forget all hits; return how many keys there were."""
        return self._connection().execute("DELETE FROM hits").rowcount

    def clear(self, key: str) -> None:
        """Forget the hits of `key`."""
        self._connection().execute("DELETE FROM hits WHERE key = ?", (key,))

    def _live(self, key: str) -> tuple[int, float] | None:
        query = "SELECT count, expires_at FROM hits WHERE key = ? AND expires_at > ?"
        return cast(tuple[int, float] | None, self._connection().execute(query, (key, time.time())).fetchone())

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous=OFF")
        return connection


class GuardedStorage(Storage):
    """Count in `inner`; when that fails, refuse what `closed` says must not go uncounted and let the rest through.

    Remembers the counts of the present request, so that its headers cost no second look.
    """

    STORAGE_SCHEME = ["guarded"]

    def __init__(self, _uri: str, *, inner: Storage, closed: Callable[[], bool]) -> None:
        super().__init__()
        self._inner = inner
        self._closed = closed

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Return what the inner storage raises."""
        return self._inner.base_exceptions

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a hit.

        :raises Overloaded: when it could not be counted and `closed` says so.
        """
        try:
            count = self._inner.incr(key, expiry, amount)
        except self.base_exceptions as error:
            _logger.error("rate limits are not counted: %s", error)
            if self._closed():
                raise Overloaded(
                    "Rate limits cannot be checked now.", code="limits_unavailable", retry_after=1
                ) from None
            count = amount
        g.setdefault("limit_counts", {})[key] = count
        return count

    def get(self, key: str) -> int:
        """Return the hits of `key` that this request counted."""
        return cast(int, g.get("limit_counts", {}).get(key, 0))

    def get_expiry(self, key: str) -> float:
        """Return when the present window of `key` ends, in Unix seconds."""
        try:
            return self._inner.get_expiry(key)
        except self.base_exceptions:
            return time.time()

    def check(self) -> bool:
        """Tell whether hits can be counted."""
        return self._inner.check()

    def reset(self) -> int | None:
        """Forget all hits."""
        return self._inner.reset()

    def clear(self, key: str) -> None:
        """Forget the hits of `key`."""
        self._inner.clear(key)
