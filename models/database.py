"""The database: one connection pool per process, transactions that roll back unless they end well."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from sqlite3 import Error as SQLError
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    Connection,
    Engine,
    String,
    TableValuedAlias,
    bindparam,
    cast,
    create_engine,
    event,
    func,
    make_url,
    text,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DatabaseError, DataError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from models.sums import SQLITE_NAME, ExactSum
from utils.errors import StorageBusy, StorageUnavailable

BUSY_TIMEOUT_SECONDS = 5
YIELD_MILLISECONDS = 400
"""Well before PostgreSQL looks for a deadlock, which is after a second, and ends whomever it likes."""

RETRY_AFTER = 1
PROGRESS_STEPS = 10_000
"""After how many of its steps, well under a millisecond, SQLite looks whether its time is up."""


_HELD_BY_OTHERS = frozenset({"55P03", "40P01"})
"""PostgreSQL's lock_not_available and deadlock_detected."""


class Transaction(NamedTuple):
    """A transaction of PostgreSQL by its number, and the process of the server that carries it out."""

    number: int
    backend: int


class Database:
    """Hold the pool of one process. On SQLite every connection runs in WAL mode and checks foreign keys.

    `path` is the file of a SQLite database, None on PostgreSQL.
    """

    def __init__(self, url: str, *, pool_size: int = 16, busy_timeout: float = BUSY_TIMEOUT_SECONDS) -> None:
        parsed = make_url(url)
        if parsed.drivername in {"postgresql", "postgres"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": pool_size, "pool_timeout": busy_timeout}
        if self.is_sqlite:
            options["connect_args"] = {"timeout": busy_timeout, "check_same_thread": False}
        else:
            options["connect_args"] = {
                "connect_timeout": max(int(busy_timeout), 1),
                "options": f"-c lock_timeout={int(busy_timeout * 1000)}",
            }
            options["pool_pre_ping"] = True
        self.engine: Engine = create_engine(parsed, **options)
        self._writer = self.engine.execution_options(writing=True)
        self.path = Path(parsed.database) if self.is_sqlite and parsed.database else None
        self._file: tuple[int, int] | None = None
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", self._refuse_lost_file)
            event.listen(self.engine, "begin", _begin_immediate_when_writer)

    def insert(self, table: Any) -> Any:
        """Return an insert into `table` that can tell what to do on a conflict, as the database's dialect has it."""
        return sqlite_insert(table) if self.is_sqlite else postgresql_insert(table)

    def texts(self, name: str) -> TableValuedAlias:
        """Return the strings of the parameter `name`, a JSON array, as a table whose column is `value`.

        However many they are, they are one parameter of one statement that is compiled once.
        """
        given = bindparam(name, type_=String)
        rows = func.json_each(given) if self.is_sqlite else func.json_array_elements_text(cast(given, JSON))
        return rows.table_valued("value", name="given") if self.is_sqlite else rows.table_valued("value")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection for reading; nothing it does is kept.

        :raises StorageUnavailable: when the database cannot be reached or stays locked.
        """
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def bounded(self, seconds: float) -> Iterator[Connection]:
        """Give a connection for reading whose every statement is broken off after `seconds`.

        :raises StorageUnavailable: when the database cannot be reached, stays locked or needs longer.
        """
        with self.read() as connection:
            if not self.is_sqlite:
                connection.execute(text(f"SET LOCAL statement_timeout = {int(seconds * 1000)}"))
                yield connection
                return
            driver: Any = connection.connection.driver_connection
            deadline = time.monotonic() + seconds
            driver.set_progress_handler(lambda: time.monotonic() > deadline, PROGRESS_STEPS)
            try:
                yield connection
            finally:
                driver.set_progress_handler(None, 0)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give a connection for reading whose queries all see the same moment, row by row instead of all at once.

        :raises StorageUnavailable: when the database cannot be reached or stays locked.
        """
        with _translated(), self.engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection.execution_options(yield_per=1000)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session in one transaction: committed at the end, rolled back on any exception.

        :raises StorageUnavailable: when the database cannot be reached or stays locked.
        """
        with (
            _translated(),
            Session(self._writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def yielding(self) -> Iterator[Session]:
        """Give a session as `write` does, which gives up instead of waiting long for a lock, and lets others go on.

        For what locks much, in an order that is not that of all others: whoever waits for it meanwhile is never the one
        whose transaction fails. Do it again after a moment.

        :raises StorageBusy: somebody else holds a lock. :raises StorageUnavailable: as `write`.
        """
        with self.write() as session:
            if not self.is_sqlite:  # which has one lock for all, that is taken first
                session.execute(text(f"SET LOCAL lock_timeout = {YIELD_MILLISECONDS}"))
            try:
                yield session
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", None) in _HELD_BY_OTHERS:
                    raise StorageBusy("Somebody else is writing.", retry_after=RETRY_AFTER) from error
                raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in one transaction, as `write` does, without a session around it.

        :raises StorageUnavailable: when the database cannot be reached or stays locked.
        """
        with _translated(), self._writer.begin() as connection:
            yield connection

    def transaction(self, connection: Connection) -> Transaction | None:
        """Return the transaction of `connection`, whose outcome can be asked for; None on SQLite.

        SQLite's COMMIT tells it by itself. A server may go away between COMMIT and its answer.
        """
        if self.is_sqlite:
            return None
        return Transaction(*connection.execute(text("SELECT txid_current(), pg_backend_pid()")).one())

    def outcome(self, transaction: Transaction) -> bool | None:
        """Tell whether a transaction was committed; None while nobody knows.

        One that is not over is made to end: its client is gone, and it might wait for it for hours.
        """
        with suppress(StorageUnavailable), self.read() as connection:
            number = {"number": transaction.number}
            try:
                status = connection.execute(text("SELECT txid_status(:number)"), number).scalar_one_or_none()
            except DataError:  # a number of the future: another server took over that has never heard of it
                return False
            if status != "in progress":
                return bool(status == "committed")
            connection.execute(text("SELECT pg_terminate_backend(:backend)"), {"backend": transaction.backend})
        return None

    def bound_log(self, limit: int, patience: float) -> None:
        """Empty SQLite's write-ahead log when it is longer than `limit` bytes.

        Readers that overlap keep SQLite from ever beginning it anew: this keeps new ones waiting, for `patience`
        seconds at most, until the others have ended. Does nothing when they do not.
        """
        if self.path is None:
            return
        try:
            length = Path(f"{self.path}-wal").stat().st_size
        except OSError:
            return
        if length <= limit:
            return
        with suppress(StorageUnavailable, SQLError), _translated(), self.engine.connect() as connection:
            cursor: Any = connection.connection.cursor()
            (usual,) = cursor.execute("PRAGMA busy_timeout").fetchone()
            cursor.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            cursor.execute(f"PRAGMA busy_timeout={usual}")

    def _refuse_lost_file(self, _connection: Connection) -> None:
        """Refuse a file that was deleted or replaced: what SQLite goes on to write into it is gone at the next start.

        :raises StorageUnavailable: until the file is back, or this process is started again.
        """
        if self.path is None:
            return
        try:
            status = self.path.stat()
        except OSError as error:
            raise _unavailable() from error
        found = (status.st_dev, status.st_ino)
        self._file = self._file or found
        if found != self._file:
            raise _unavailable()

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, InternalError, PoolTimeout) as error:
        raise _unavailable() from error
    except DatabaseError as error:
        # SQLite's word for a damaged file; the classes below it tell of mistakes in a statement or in what it stores
        if type(error) is not DatabaseError:
            raise
        raise _unavailable() from error


def _unavailable() -> StorageUnavailable:
    return StorageUnavailable("The database did not answer.", retry_after=RETRY_AFTER)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # Python's own transaction handling delays BEGIN; we open transactions ourselves (see below).
    connection.isolation_level = None
    connection.create_aggregate(SQLITE_NAME, 1, ExactSum)
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_immediate_when_writer(connection: Connection) -> None:
    # A deferred transaction that upgrades to a write fails at once with "database is locked", whatever the timeout.
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
