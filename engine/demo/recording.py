"""Read recorded candles from a CSV file, exactly as written; the few that are missing become flat ones."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.demo.columns import CLOSE, VOLUME, Columns
from utils.money import ZERO
from utils.wire import TIMEFRAMES

HEADER = ("timestamp", "open", "high", "low", "close", "volume")
_MILLISECONDS_FROM = Decimal(10) ** 11
"""Timestamps from here on are milliseconds: as seconds they would lie beyond the year 5000."""
_TIME_LIMIT = Decimal(10) ** 14
_DIGITS = 18
_COUNT_LIMIT = 2**53
"""Ticks or lots one value may hold: what a float still counts exactly."""
_LINES_NAMED = 5
_MISSING_LIMIT = 0.1
"""Missing candles for each recorded one. Exchanges pause now and then; more is a torn file, or no regular one."""

log = logging.getLogger(__name__)


class RecordingError(ValueError):
    """A recording cannot be played; the message names the file, the line and what is wrong there."""


class Recording(msgspec.Struct, frozen=True):
    """The candles of one market: the first opens at `first` (Unix seconds), each lasts `seconds`."""

    symbol: str
    first: int
    seconds: int
    tick: Decimal
    lot: Decimal
    columns: Columns


def read(path: Path) -> Recording:
    """Read `path`, named `BASE_QUOTE-….csv`, with the columns of `HEADER` (timestamps in seconds or milliseconds).

    Where rows are missing in between, nothing was traded: flat candles at the close before stand there, without volume.

    :raises RecordingError: when the file cannot be read, a row is malformed or impossible, rows are unsorted, or
        more than a tenth as many are missing as there are.
    """
    symbol = _symbol(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(_rows(path, file))
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: {error}") from error
    if len(rows) < 2:
        raise RecordingError(f"{path}: needs at least two candles, has {len(rows)}")
    first = rows[0][1]
    seconds = _seconds(path, rows)
    if first % seconds:
        raise RecordingError(f"{path}:{rows[0][0]}: candles of {seconds} s do not open at {first}")
    prices = [value for row in rows for value in row[2][:4]]
    tick, lot = unit(prices), unit(row[2][4] for row in rows)
    levels = [[int(value / tick) for value in row[2][:4]] + [int(row[2][4] / lot)] for row in rows]
    for (line, *_), counts in zip(rows, levels, strict=True):
        if max(counts) > _COUNT_LIMIT:
            raise RecordingError(f"{path}:{line}: too many digits for units of {tick} and {lot}")
    columns = np.array(levels, dtype=np.int64).T
    numbers = np.array([(row[1] - first) // seconds for row in rows])
    return Recording(symbol, first, seconds, tick, lot, _filled(columns, numbers))


def _symbol(path: Path) -> str:
    base, _, rest = path.name.partition("_")
    quote = rest.removesuffix(".csv").partition("-")[0]
    if not (base.isalnum() and quote.isalnum()):
        raise RecordingError(f"{path}: the name does not begin with BASE_QUOTE, such as BTC_USDT-4h.csv")
    return f"{base}/{quote}".upper()


Row = tuple[int, int, list[Decimal]]
"""Line, opening in Unix seconds, and open, high, low, close, volume."""


def _rows(path: Path, file: Iterator[str]) -> Iterator[Row]:
    reader = csv.reader(file)
    header = next(reader, [])
    if tuple(name.strip().lower() for name in header) != HEADER:
        raise RecordingError(f"{path}:1: the header is not {','.join(HEADER)}")
    for cells in reader:
        if not cells:
            continue
        place = f"{path}:{reader.line_num}"
        if len(cells) != len(HEADER):
            raise RecordingError(f"{place}: {len(cells)} columns instead of {len(HEADER)}")
        try:
            timestamp, *values = (Decimal(cell.strip()) for cell in cells)
        except InvalidOperation:
            raise RecordingError(f"{place}: not a number in {','.join(cells)}") from None
        yield reader.line_num, _time(place, timestamp), _checked(place, values)


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


def _seconds(path: Path, rows: list[Row]) -> int:
    """Return the length of a candle, the shortest distance of two rows, after a look at what is missing."""
    distances = [(line, after - before) for (_, before, _), (line, after, _) in pairwise(rows)]
    for line, distance in distances:
        if distance <= 0:
            raise RecordingError(f"{path}:{line}: the row is not later than the one before")
    seconds = min(distance for _, distance in distances)
    if seconds not in TIMEFRAMES.values():
        raise RecordingError(f"{path}: candles of {seconds} s are none of {', '.join(TIMEFRAMES)}")
    gaps = [(line, distance) for line, distance in distances if distance != seconds]
    for line, distance in gaps:
        if distance % seconds:
            raise RecordingError(f"{path}:{line}: {distance} s after the row before, candles last {seconds} s")
    missing = sum(distance // seconds - 1 for _, distance in gaps)
    if missing > _MISSING_LIMIT * len(rows):
        line, distance = max(gaps, key=lambda gap: gap[1])
        raise RecordingError(
            f"{path}:{line}: a gap of {distance} s before this row, candles last {seconds} s; with {missing} missing "
            f"beside {len(rows)} recorded the file has too many gaps: record them, or play a part without gaps"
        )
    if missing:
        lines = ", ".join(str(line) for line, _ in gaps[:_LINES_NAMED])
        more = ", ..." if len(gaps) > _LINES_NAMED else ""
        log.warning("%s: %d missing candles play as flat ones (before line %s%s)", path, missing, lines, more)
    return seconds


def _filled(columns: Columns, numbers: NDArray[np.int64]) -> Columns:
    """Return every candle from the first to the last, given the numbers of those in `columns`."""
    latest = np.searchsorted(numbers, np.arange(numbers[-1] + 1), side="right") - 1
    whole = columns[:, latest]
    flat = np.ones(whole.shape[1], dtype=bool)
    flat[numbers] = False
    whole[:VOLUME, flat] = whole[CLOSE, flat]
    whole[VOLUME, flat] = 0
    return whole


def unit(values: Iterable[Decimal]) -> Decimal:
    """Return the power of ten that every value is a multiple of, at most 1."""
    return Decimal(1).scaleb(min(0, *(int(value.normalize().as_tuple().exponent) for value in values)))
