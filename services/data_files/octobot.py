"""OctoBot's `.data` files: SQLite databases of unknown origin, opened so that they can only be read, for a while."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from utils.recorded_candles import RecordingError

MAGIC = b"SQLite format 3\0"
TABLES = frozenset(
    {"description", "ohlcv", "ticker", "kline", "order_book", "recent_trades", "funding", "social_events"}
)
MOST_THINGS = 100
"""Tables and indexes; OctoBot makes about a dozen of each kind."""
_COLUMN = r"\s*\w+(?:\s+\w+)?\s*"
_TABLE = re.compile(rf"CREATE TABLE (\w+)\s*\({_COLUMN}(?:,{_COLUMN})*\)", re.ASCII | re.IGNORECASE)
"""Names and types alone, nothing that SQLite would work out: no generated column, check or default."""
_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX \w+ ON (\w+)\s*\(\s*\w+\s*(?:,\s*\w+\s*)*\)", re.ASCII | re.IGNORECASE)
COLUMNS = {"timestamp", "exchange_name", "symbol", "time_frame", "candle"}
READ_SECONDS = 5.0
_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock."""
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1024 * 1024,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 32,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
}
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
_PRAGMAS = {"table_info", "integrity_check"}
_MADE_OF = "SELECT type, sql FROM sqlite_master LIMIT ?"
_MOST_LETTERS = 1000
"""Of a candle: OctoBot's have about eighty."""
_CANDLE = msgspec.json.Decoder(list[msgspec.Raw], strict=True)
_SYMBOL_LETTERS = 40
_TIMEFRAME = re.compile(r"[0-9]{1,4}[A-Za-z]{1,8}")
_SQL = "SELECT symbol, time_frame, candle FROM ohlcv"

Key = tuple[str, str]
"""Symbol and time frame."""


def read(name: str, path: Path, most: int) -> dict[Key, list[list[str]]]:
    """Return the cells of every candle in the file, by market and time frame, in no order.

    :raises RecordingError: it is damaged, is no such file, or holds more than `most` candles.
    """
    end = time.monotonic() + READ_SECONDS
    found: dict[Key, list[list[str]]] = {}
    try:
        # immutable: no journal beside it is looked for, no lock is taken
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            _tame(connection, end)
            _check(name, connection)
            for number, (symbol, timeframe, cells) in enumerate(_candles(name, connection), start=1):
                # what is done with a row is not SQLite's work, which is ended at that time by itself
                if time.monotonic() >= end:
                    raise RecordingError(f"{name}: reading it takes too long")
                if number > most:
                    raise RecordingError(f"{name}: more than {most} candles")
                found.setdefault((symbol, timeframe), []).append(cells)
    except sqlite3.OperationalError as error:
        reason = "reading it takes too long" if time.monotonic() >= end else str(error)
        raise RecordingError(f"{name}: {reason}") from None
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise RecordingError(f"{name}: the file is damaged: {error}") from None
    return found


def _tame(connection: sqlite3.Connection, end: float) -> None:
    """Let nothing in the file do anything but be read, until `end`."""
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_DEFENSIVE, True)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_TRUSTED_SCHEMA, False)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)
    connection.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_VIEW, False)
    connection.set_progress_handler(lambda: int(time.monotonic() >= end), _STEPS)
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.execute("PRAGMA mmap_size=0")
    connection.set_authorizer(_authorize)


def _authorize(action: int, name: str | None, *_: str | None) -> int:
    """Tell SQLite what a statement may do."""
    is_allowed = action in _ALLOWED or (action == sqlite3.SQLITE_PRAGMA and name in _PRAGMAS)
    return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY


def _check(name: str, connection: sqlite3.Connection) -> None:
    """Refuse what is damaged, or has other things in it than such files have.

    What the file is made of comes first: SQLite's check works out the expressions of tables and indexes, and asks
    neither clock nor authorizer within one of them.
    """
    things = connection.execute(_MADE_OF, (MOST_THINGS + 1,)).fetchall()
    tables = {_table(kind, sql) for kind, sql in things}
    if len(things) > MOST_THINGS or not {"ohlcv"} <= tables <= TABLES:
        raise RecordingError(f"{name}: this is no file of OctoBot's candles")
    columns = {row[1] for row in connection.execute("PRAGMA table_info(ohlcv)")}
    if not columns >= COLUMNS:
        raise RecordingError(f"{name}: the table ohlcv has not the columns {', '.join(sorted(COLUMNS))}")
    [(verdict,)] = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if verdict != "ok":
        raise RecordingError(f"{name}: the file is damaged")


def _table(kind: object, sql: object) -> str:
    """Return which table something in the file is, or belongs to; nothing when it is not as plain as OctoBot's."""
    if kind == "index" and sql is None:
        # of a UNIQUE column: an index of bare columns
        return "ohlcv"
    shape = {"table": _TABLE, "index": _INDEX}.get(str(kind))
    found = shape.fullmatch(sql) if shape is not None and isinstance(sql, str) else None
    return found[1] if found is not None else ""


def _candles(name: str, connection: sqlite3.Connection) -> Iterator[tuple[str, str, list[str]]]:
    for number, (symbol, timeframe, candle) in enumerate(connection.execute(_SQL), start=1):
        if not (isinstance(symbol, str) and isinstance(timeframe, str) and isinstance(candle, str)):
            raise RecordingError(f"{name}:{number}: symbol, time frame and candle must be text")
        if len(symbol) > _SYMBOL_LETTERS:
            raise RecordingError(f"{name}:{number}: the symbol has {len(symbol)} letters")
        if not _TIMEFRAME.fullmatch(timeframe):
            raise RecordingError(f"{name}:{number}: the time frame is none such as 1h")
        if len(candle) > _MOST_LETTERS:
            raise RecordingError(f"{name}:{number}: the candle has {len(candle)} letters")
        try:
            cells = [bytes(cell).decode().strip() for cell in _CANDLE.decode(candle)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RecordingError(f"{name}:{number}: the candle is no JSON array") from None
        if len(cells) < 6:
            raise RecordingError(f"{name}:{number}: {len(cells)} values instead of 6")
        yield symbol, timeframe, cells[:6]
