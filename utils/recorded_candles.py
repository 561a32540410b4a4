"""Recorded candles as rows: read exactly as written, refused where one is malformed, impossible or out of order."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from utils.money import ZERO, plain
from utils.wire import TIMEFRAMES

HEADER = ("timestamp", "open", "high", "low", "close", "volume")
_MILLISECONDS_FROM = Decimal(10) ** 11
"""Timestamps from here on are milliseconds: as seconds they would lie beyond the year 5000."""
_TIME_LIMIT = Decimal(10) ** 14
_DIGITS = 18
_CELL_LENGTH = 64
_MISSING_LIMIT = 0.1
"""Missing candles for each recorded one. Exchanges pause now and then; more is a torn file, or no regular one."""


class RecordingError(ValueError):
    """A recording cannot be played; the message names the file, the line and what is wrong there."""


class Row(NamedTuple):
    """Line, opening in Unix seconds, and open, high, low, close, volume."""

    line: int
    opening: int
    values: list[Decimal]


class Candles(NamedTuple):
    """The rows of one market, each `seconds` long; `gaps` are the lines before which `missing` rows are not there."""

    seconds: int
    rows: Sequence[Row]
    missing: int
    gaps: Sequence[int]


def from_csv(name: str, lines: Iterable[str], most: int | None = None) -> Candles:
    """Read CSV with the columns of `HEADER` (timestamps in seconds or milliseconds); `name` is for what goes wrong.

    :raises RecordingError: there are more rows than `most`, or see `checked`.
    """
    return checked(name, _rows(name, lines, most))


def to_csv(candles: Candles) -> Iterator[str]:
    """Yield the lines that `from_csv` reads the same candles from."""
    yield ",".join(HEADER) + "\n"
    for row in candles.rows:
        yield f"{row.opening},{','.join(map(plain, row.values))}\n"


def path_of(folder: Path, file_id: str, number: int) -> Path:
    """Return where the series `number` of an upload is kept, in the form of `to_csv`."""
    return folder / f"{file_id}-{number}.csv"


def row_of(place: str, line: int, cells: Sequence[str]) -> Row:
    """Return one row. :raises RecordingError: a cell is no number, or the values cannot be a candle's."""
    try:
        timestamp, *values = map(_number, cells)
    except InvalidOperation:
        raise RecordingError(f"{place}: not a number in {','.join(cells)[:200]}") from None
    return Row(line, _time(place, timestamp), _checked(place, values))


def checked(name: str, found: Iterable[Row], seconds: int | None = None) -> Candles:
    """Hold rows against each other; `seconds` is the length of a candle where it is known.

    :raises RecordingError: there are fewer than two rows, they are unsorted or repeated, off the grid of a time frame,
        or more than a tenth as many are missing as there are.
    """
    rows = list(found)
    if len(rows) < 2:
        raise RecordingError(f"{name}: needs at least two candles, has {len(rows)}")
    distances = [(after.line, after.opening - before.opening) for before, after in pairwise(rows)]
    for line, distance in distances:
        if distance <= 0:
            raise RecordingError(f"{name}:{line}: the row is not later than the one before")
    seconds = seconds or min(distance for _, distance in distances)
    if seconds not in TIMEFRAMES.values():
        raise RecordingError(f"{name}: candles of {seconds} s are none of {', '.join(TIMEFRAMES)}")
    gaps = [(line, distance) for line, distance in distances if distance != seconds]
    for line, distance in gaps:
        if distance % seconds:
            raise RecordingError(f"{name}:{line}: {distance} s after the row before, candles last {seconds} s")
    missing = sum(distance // seconds - 1 for _, distance in gaps)
    if missing > _MISSING_LIMIT * len(rows):
        line, distance = max(gaps, key=lambda gap: gap[1])
        raise RecordingError(
            f"{name}:{line}: a gap of {distance} s before this row, candles last {seconds} s; with {missing} missing "
            f"beside {len(rows)} recorded the file has too many gaps: record them, or play a part without gaps"
        )
    if rows[0].opening % seconds:
        raise RecordingError(f"{name}:{rows[0].line}: candles of {seconds} s do not open at {rows[0].opening}")
    return Candles(seconds, rows, missing, [line for line, _ in gaps])


def _rows(name: str, lines: Iterable[str], most: int | None) -> Iterator[Row]:
    reader = csv.reader(lines)
    try:
        header = next(reader, [])
        if tuple(cell.strip().lower() for cell in header) != HEADER:
            raise RecordingError(f"{name}:1: the header is not {','.join(HEADER)}")
        count = 0
        for cells in reader:
            if not cells:
                continue
            count += 1
            if most is not None and count > most:
                raise RecordingError(f"{name}: more than {most} candles")
            place = f"{name}:{reader.line_num}"
            if len(cells) != len(HEADER):
                raise RecordingError(f"{place}: {len(cells)} columns instead of {len(HEADER)}")
            yield row_of(place, reader.line_num, cells)
    except csv.Error as error:
        raise RecordingError(f"{name}:{reader.line_num}: {error}") from None


def _number(cell: str) -> Decimal:
    # Decimal also takes underscores and the digits of all scripts
    if not cell.isascii() or "_" in cell or len(cell) > _CELL_LENGTH:
        raise InvalidOperation
    return Decimal(cell.strip())


def _time(place: str, timestamp: Decimal) -> int:
    if not (timestamp.is_finite() and ZERO < timestamp < _TIME_LIMIT):
        raise RecordingError(f"{place}: {timestamp} is no timestamp in seconds or milliseconds")
    seconds = timestamp / 1000 if timestamp >= _MILLISECONDS_FROM else timestamp
    if seconds != int(seconds):
        raise RecordingError(f"{place}: the timestamp {timestamp} is not a whole second")
    return int(seconds)


def _checked(place: str, values: list[Decimal]) -> list[Decimal]:
    opening, high, low, close, volume = values
    if not all(value.is_finite() and abs(value.adjusted()) <= _DIGITS for value in values):
        raise RecordingError(f"{place}: a value is not finite, or beyond {_DIGITS} digits")
    if not ZERO < low <= min(opening, close) <= max(opening, close) <= high:
        raise RecordingError(f"{place}: open and close must lie between low and high, above zero")
    if volume < ZERO:
        raise RecordingError(f"{place}: the volume is negative")
    return values
