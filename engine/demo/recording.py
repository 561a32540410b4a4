"""Recorded candles, ready to be played; the few that are missing become flat ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.demo.columns import CLOSE, VOLUME, Columns
from utils.recorded_candles import HEADER, Candles, RecordingError, from_csv

__all__ = ["HEADER", "Recording", "RecordingError", "load", "read", "unit"]

_COUNT_LIMIT = 2**53
"""Ticks or lots one value may hold: what a float still counts exactly."""
_LINES_NAMED = 5

log = logging.getLogger(__name__)


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
    return load(path, _symbol(path))


def load(path: Path, symbol: str) -> Recording:
    """Read the candles of `symbol` from `path`, whatever its name. :raises RecordingError: see `read`."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            candles = from_csv(str(path), file)
    except (OSError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: {error}") from error
    if candles.missing:
        lines = ", ".join(str(line) for line in candles.gaps[:_LINES_NAMED])
        more = ", ..." if len(candles.gaps) > _LINES_NAMED else ""
        log.warning("%s: %d missing candles play as flat ones (before line %s%s)", path, candles.missing, lines, more)
    return _recording(path, symbol, candles)


def _recording(path: Path, symbol: str, candles: Candles) -> Recording:
    rows, first = candles.rows, candles.rows[0].opening
    prices = [value for row in rows for value in row.values[:4]]
    tick, lot = unit(prices), unit(row.values[4] for row in rows)
    levels = [[int(value / tick) for value in row.values[:4]] + [int(row.values[4] / lot)] for row in rows]
    for row, counts in zip(rows, levels, strict=True):
        if max(counts) > _COUNT_LIMIT:
            raise RecordingError(f"{path}:{row.line}: too many digits for units of {tick} and {lot}")
    columns = np.array(levels, dtype=np.int64).T
    numbers = np.array([(row.opening - first) // candles.seconds for row in rows])
    return Recording(symbol, first, candles.seconds, tick, lot, _filled(columns, numbers))


def _symbol(path: Path) -> str:
    base, _, rest = path.name.partition("_")
    quote = rest.removesuffix(".csv").partition("-")[0]
    if not (base.isalnum() and quote.isalnum()):
        raise RecordingError(f"{path}: the name does not begin with BASE_QUOTE, such as BTC_USDT-4h.csv")
    return f"{base}/{quote}".upper()


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
