"""OctoBot's `.data` files: read as they are, and refused whatever else is in them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import octobot
import pytest

from services.data_files import octobot as reader
from services.data_files.reading import MOST_LEFT_OUT, MOST_ROWS, read
from utils.errors import Refused
from utils.recorded_candles import RecordingError

SHIPPED = sorted((Path(octobot.__file__).parent / "strategy_optimizer" / "optimizer_data_files").glob("*.data"))
OHLCV = "CREATE TABLE ohlcv (timestamp datetime, exchange_name text, symbol text, time_frame text, candle)"
DESCRIPTION = "CREATE TABLE description (timestamp datetime, version text, exchange text, symbols text, time_frames)"
HOUR = 3600


def candle(number: int, **changes: Any) -> tuple[Any, ...]:
    cells = json.dumps([number * HOUR, 10.0, 12.0, 9.0, 11.0, 5.0])
    row = {
        "timestamp": number * HOUR,
        "exchange_name": "binance",
        "symbol": "BTC/USDT",
        "time_frame": "1h",
        "candle": cells,
    }
    return tuple({**row, **changes}.values())


def made(tmp_path: Path, rows: list[tuple[Any, ...]], *statements: str) -> bytes:
    path = tmp_path / "made.data"
    with closing(sqlite3.connect(path)) as connection:
        for statement in (DESCRIPTION, OHLCV, *statements):
            connection.execute(statement)
        connection.executemany("INSERT INTO ohlcv VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()
    return path.read_bytes()


def test_a_file_that_octobot_ships_is_read_digit_by_digit(tmp_path: Path) -> None:
    found = read(SHIPPED[0].read_bytes(), "shipped", None, None, tmp_path)
    assert (found.format, found.left_out) == ("octobot", ["1M", "1w", "3d", "8h"])
    assert {each.symbol for each in found.series} == {"ADA/BTC"}
    [hours] = [each.candles for each in found.series if each.timeframe == "1h"]
    with closing(sqlite3.connect(SHIPPED[0])) as connection:
        rows = connection.execute("SELECT candle FROM ohlcv WHERE time_frame = '1h'").fetchall()
    told = sorted([Decimal(cell) for cell in row.strip("[]").split(",")] for (row,) in rows)
    assert [[Decimal(row.opening), *row.values] for row in hours.rows] == told
    [only] = read(SHIPPED[0].read_bytes(), "shipped", "ADA/BTC", "4h", tmp_path).series
    assert (only.timeframe, only.candles.seconds) == ("4h", 4 * HOUR)
    assert list(tmp_path.iterdir()) == []


def test_rows_in_any_order_are_one_series(tmp_path: Path) -> None:
    content = made(tmp_path, [candle(number) for number in (3, 1, 2)])
    [series] = read(content, "x", None, None, tmp_path).series
    assert [row.opening for row in series.candles.rows] == [HOUR, 2 * HOUR, 3 * HOUR]


def test_what_is_left_out_is_named_within_bounds(tmp_path: Path) -> None:
    others = [candle(number, time_frame=f"{number}w") for number in range(1, 3 * MOST_LEFT_OUT)]
    found = read(made(tmp_path, [candle(1), candle(2), *others]), "x", None, None, tmp_path)
    assert found.left_out == sorted(f"{number}w" for number in range(1, 3 * MOST_LEFT_OUT))[:MOST_LEFT_OUT]


@pytest.mark.parametrize(
    ("statements", "rows", "told"),
    [
        (["CREATE VIEW v AS SELECT * FROM ohlcv"], [], "no file of OctoBot"),
        (["CREATE TRIGGER t AFTER INSERT ON ohlcv BEGIN DELETE FROM ohlcv; END"], [], "no file of OctoBot"),
        (["CREATE TABLE users (id)"], [], "no file of OctoBot"),
        (["CREATE VIRTUAL TABLE f USING fts5(x)"], [], "no file of OctoBot"),
        (["DROP TABLE ohlcv", "CREATE TABLE ohlcv (a, b, c, d, e)"], [], "has not the columns"),
        (["DROP TABLE ohlcv", "CREATE VIEW ohlcv AS SELECT 1 candle"], None, "no file of OctoBot"),
        ([], [candle(1), candle(2), candle(3, time_frame="1" * 17 + "h")], ":3: the time frame is none"),
        ([], [candle(1), candle(2), candle(3, time_frame="1h\0")], ":3: the time frame is none"),
        ([], [candle(1), candle(2), candle(3, time_frame="1h,2h")], ":3: the time frame is none"),
        ([], [candle(1), candle(2), candle(3, symbol="B" * 1000)], ":3: the symbol has 1000 letters"),
        ([], [candle(1, candle=json.dumps([1] * 500)), candle(2)], "1500 letters"),
        ([], [candle(1), candle(1)], "not later"),
        ([], [candle(1), candle(3)], "too many gaps"),
        ([], [candle(1)], "at least two"),
        ([], [candle(1, candle=b"\x00\xff"), candle(2)], "must be text"),
        ([], [candle(1, candle="[1, 2"), candle(2)], "no JSON array"),
        ([], [candle(1, candle="[1, 2]"), candle(2)], "2 values"),
        ([], [candle(1, candle="[3600, 1, 2, 1, NaN, 1]"), candle(2)], "no JSON array"),
        ([], [candle(1, candle='[3600, 1, 2, 1, "1", 1]'), candle(2)], "not a number"),
        ([], [candle(1, candle="[3600, 1, 0.5, 1, 1, 1]"), candle(2)], "between low and high"),
        ([], [candle(1, candle="[3600, 1, 1e400, 1, 1, 1]"), candle(2)], "beyond 18 digits"),
        ([], [candle(1, symbol="../../etc/passwd"), candle(2, symbol="../../etc/passwd")], "no market"),
        ([], [candle(1, candle=json.dumps([3600] * 6 + ["x" * 2_000_000]))], "too big"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, statements: list[str], rows: list[tuple[Any, ...]] | None, told: str
) -> None:
    if rows is None:
        path = tmp_path / "made.data"
        with closing(sqlite3.connect(path)) as connection:
            for statement in (DESCRIPTION, OHLCV, *statements):
                connection.execute(statement)
        content = path.read_bytes()
    else:
        content = made(tmp_path, rows if "(a, b" not in str(statements) else [], *statements)
    with pytest.raises(RecordingError, match=told):
        read(content, "x", None, None, tmp_path)


EXPRESSIONS = [
    ["DROP TABLE description", "CREATE TABLE description (a, b, g GENERATED ALWAYS AS (a LIKE b) VIRTUAL NOT NULL)"],
    ["DROP TABLE description", "CREATE TABLE description (a, b CHECK (b LIKE a))"],
    ["DROP TABLE description", "CREATE TABLE description (a, CHECK (a LIKE a))"],
    ["DROP TABLE description", "CREATE TABLE description (a, b DEFAULT (1 LIKE 2))"],
    ["CREATE INDEX i ON ohlcv (symbol LIKE candle)"],
    ["CREATE INDEX i ON ohlcv (symbol) WHERE symbol LIKE '%a'"],
    ["CREATE INDEX i ON ohlcv (timestamp, abs(timestamp))"],
    [f"CREATE INDEX i{number} ON ohlcv (symbol)" for number in range(reader.MOST_THINGS)]
    + ["CREATE INDEX last ON ohlcv (symbol LIKE candle)"],
]


@pytest.mark.parametrize("statements", EXPRESSIONS, ids=lambda statements: str(statements[-1]))
def test_nothing_in_a_file_is_worked_out(tmp_path: Path, statements: list[str]) -> None:
    content = made(tmp_path, [candle(1), candle(2)], *statements)
    with pytest.raises(RecordingError, match="no file of OctoBot"):
        read(content, "x", None, None, tmp_path)


def test_plain_indexes_are_read(tmp_path: Path) -> None:
    plain = ["CREATE UNIQUE INDEX i ON ohlcv (timestamp, symbol)", "CREATE TABLE kline (timestamp UNIQUE, candle text)"]
    assert len(read(made(tmp_path, [candle(1), candle(2)], *plain), "x", None, None, tmp_path).series) == 1


def test_were_something_worked_out_it_would_be_short(tmp_path: Path) -> None:
    made(tmp_path, [candle(1, candle="%a" * 30)], "CREATE INDEX i ON ohlcv (symbol LIKE candle)")
    path = tmp_path / "made.data"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        reader._tame(connection, float("inf"))
        with pytest.raises(sqlite3.OperationalError, match="pattern too complex"):
            connection.execute("PRAGMA integrity_check(1)").fetchall()


def test_damage_is_noticed(tmp_path: Path) -> None:
    whole = made(tmp_path, [candle(number) for number in range(1, 2000)])
    torn = bytearray(whole)
    torn[4096 * 3 : 4096 * 5] = b"\xa5" * 8192
    for content in (whole[: len(whole) // 2], bytes(torn), reader.MAGIC + b"x" * 5000, reader.MAGIC):
        with pytest.raises(RecordingError):
            read(content, "x", None, None, tmp_path)


def test_there_are_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = made(tmp_path, [candle(number) for number in range(1, 3000)])
    path = tmp_path / "made.data"
    with pytest.raises(RecordingError, match="more than 10 candles"):
        reader.read("x", path, 10)
    monkeypatch.setattr(reader, "READ_SECONDS", 0.0)
    monkeypatch.setattr(reader, "_STEPS", 10)
    with pytest.raises(RecordingError, match="takes too long"):
        reader.read("x", path, MOST_ROWS)
    monkeypatch.undo()
    with pytest.raises(Refused, match="no such candles"):
        read(content, "x", "ETH/USDT", None, tmp_path)


def test_the_file_can_only_be_read(tmp_path: Path) -> None:
    made(tmp_path, [candle(1)])
    path = tmp_path / "made.data"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        reader._tame(connection, float("inf"))
        for statement in (
            "DELETE FROM ohlcv",
            "ATTACH 'x' AS y",
            "SELECT load_extension('x')",
            "CREATE TEMP TABLE t (x)",
            "PRAGMA writable_schema=ON",
        ):
            with pytest.raises(sqlite3.Error):
                connection.execute(statement)
        assert connection.execute("SELECT symbol FROM ohlcv").fetchall() == [("BTC/USDT",)]
