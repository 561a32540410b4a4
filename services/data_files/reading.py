"""From uploaded bytes to candles: CSV of one market, or an OctoBot file of several markets and time frames."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from services.data_files import octobot
from utils.errors import FieldError, Refused
from utils.recorded_candles import Candles, RecordingError, checked, from_csv, row_of
from utils.wire import TIMEFRAMES

MOST_ROWS = 50_000
"""Candles of one upload: what a thread of the web server reads in about a second."""
MOST_SERIES = 40
MOST_LEFT_OUT = 20
"""Time frames that are named though they are left out."""
_SYMBOL = re.compile(r"[A-Z0-9]{1,16}/[A-Z0-9]{1,16}")
Format = Literal["csv", "octobot"]


class Series(NamedTuple):
    """The candles of one market in one time frame."""

    symbol: str
    timeframe: str
    candles: Candles


class Reading(NamedTuple):
    """What an upload holds; `left_out` are the first time frames that backtests do not have."""

    format: Format
    series: list[Series]
    left_out: list[str]


def read(content: bytes, name: str, symbol: str | None, timeframe: str | None, directory: Path) -> Reading:
    """Read an upload; `symbol` and `timeframe` say what is in a CSV file, and what of an OctoBot file is wanted.

    :raises RecordingError: it cannot be read, or its candles cannot be played. :raises Refused: `symbol` is missing.
    """
    if content.startswith(octobot.MAGIC):
        return _octobot(content, name, symbol, timeframe, directory)
    if symbol is None:
        detail = "Say which market the candles are of."
        raise Refused(detail, errors=(FieldError(field="symbol", code="required", message=detail),))
    if not _SYMBOL.fullmatch(symbol):
        raise _refused("symbol", "The candles are of a spot market, such as BTC/USDT.", "invalid_symbol")
    # bytes that are no text become U+FFFD, which is no number
    text = io.StringIO(content.decode("utf-8-sig", errors="replace"), newline="")
    candles = from_csv(name, text, MOST_ROWS)
    found = next(each for each, seconds in TIMEFRAMES.items() if seconds == candles.seconds)
    if timeframe not in (None, found):
        raise _refused("timeframe", f"The candles last {found}.")
    return Reading("csv", [Series(symbol, found, candles)], [])


def _octobot(content: bytes, name: str, symbol: str | None, timeframe: str | None, directory: Path) -> Reading:
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".upload-") as file:
        file.write(content)
        file.flush()
        found = octobot.read(name, Path(file.name), MOST_ROWS)
    wanted = {key: cells for key, cells in found.items() if symbol in (None, key[0]) and timeframe in (None, key[1])}
    played = sorted(key for key in wanted if key[1] in TIMEFRAMES)
    if not played:
        raise _refused("symbol" if symbol else "timeframe", "The file has no such candles.")
    if len(played) > MOST_SERIES:
        raise _refused("symbol", f"The file has candles of more than {MOST_SERIES} kinds; name what is wanted.")
    series = [_series(name, *key, wanted[key]) for key in played]
    left_out = sorted({key[1] for key in wanted} - TIMEFRAMES.keys())
    return Reading("octobot", series, left_out[:MOST_LEFT_OUT])


def _series(name: str, symbol: str, timeframe: str, cells: list[list[str]]) -> Series:
    if not _SYMBOL.fullmatch(symbol):
        raise RecordingError(f"{name}: {symbol[:40]!r} is no market such as BTC/USDT")
    place = f"{name}: {symbol} {timeframe}"
    rows = [row_of(place, number, each) for number, each in enumerate(cells, start=1)]
    rows.sort(key=lambda row: row.opening)
    return Series(symbol, timeframe, checked(place, rows, TIMEFRAMES[timeframe]))


def _refused(field: str, detail: str, code: str = "no_candles") -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
