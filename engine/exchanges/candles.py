"""Candles of a real exchange: read page by page, without gaps, and kept for a moment."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from decimal import Decimal
from typing import Any

from engine.exchanges.failures import check_readable
from utils import clock
from utils.errors import FieldError, Refused
from utils.money import ZERO
from utils.wire import TIMEFRAMES, Candle

MOST_PAGES = 10
KEPT_SECONDS = 5.0
"""How long an answer is good for whoever asks the same: the running candle may be as old as this."""
KEPT_ANSWERS = 200
AT_ONCE = 4
Row = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal]


class Candles:
    """Ask one exchange for candles; to be used on one event loop."""

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._kept: OrderedDict[tuple[Any, ...], tuple[float, list[Candle]]] = OrderedDict()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def read(
        self,
        client: Any,
        symbol: str,
        timeframe: str,
        *,
        limit: int,
        since: int | None,
        until: int | None,
        at: float,
    ) -> list[Candle]:
        """Return what `MarketSource.candles` returns.

        :raises Refused: `unknown_timeframe`, or `timeframe_not_offered` when the exchange does not have it.
        :raises ccxt.BaseError: when the exchange does not answer.
        """
        length = _length(client, self._exchange, timeframe)
        question = (symbol, timeframe, limit, since, until)
        kept = self._kept.get(question)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        now = int(at * 1000)
        end = min(now if until is None else until, now) // length * length
        start = end - (limit - 1) * length if since is None else -(-since // length) * length
        async with self._slots:
            rows = await _pages(
                client, symbol, timeframe, range(start, min(end, start + (limit - 1) * length) + 1, length)
            )
        candles = [_candle(row, closed=row[0] + length <= now) for row in _without_gaps(rows, length)]
        self._kept[question] = (time.monotonic() + KEPT_SECONDS, candles)
        if len(self._kept) > KEPT_ANSWERS:
            self._kept.popitem(last=False)
        return candles


async def _pages(client: Any, symbol: str, timeframe: str, openings: range) -> list[Row]:
    """Return the rows of these openings (epoch ms), as far as there are any, in as many pages as it takes."""
    rows: dict[int, Row] = {}
    for _ in range(MOST_PAGES):
        if not openings:
            break
        page = await client.fetch_ohlcv(symbol, timeframe, openings[0], len(openings))
        check_readable()
        fresh = {int(row[0]): _row(row) for row in page if openings[0] <= int(row[0]) <= openings[-1]}
        if not fresh:
            break
        rows.update(fresh)
        openings = range(max(fresh) + openings.step, openings.stop, openings.step)
    return [rows[opening] for opening in sorted(rows)]


def _without_gaps(rows: list[Row], length: int) -> list[Row]:
    """Fill what an exchange leaves out, since nobody traded, with flat candles without volume."""
    filled: list[Row] = []
    for row in rows:
        while filled and filled[-1][0] + length < row[0]:
            close = filled[-1][4]
            filled.append((filled[-1][0] + length, close, close, close, close, ZERO))
        filled.append(row)
    return filled


def _row(row: Any) -> Row:
    opening, *numbers = row
    open_, high, low, close, volume = (ZERO if number is None else Decimal(str(number)) for number in numbers)
    return int(opening), open_, high, low, close, volume


def _candle(row: Row, *, closed: bool) -> Candle:
    opening, open_, high, low, close, volume = row
    moment = clock.from_ms(opening)
    return Candle(
        timestamp=opening, time=moment, open=open_, high=high, low=low, close=close, volume=volume, closed=closed
    )


def _length(client: Any, exchange: str, timeframe: str) -> int:
    code = None
    if timeframe not in TIMEFRAMES:
        code, detail = "unknown_timeframe", f"There is no time frame {timeframe}."
    elif timeframe not in (client.timeframes or {}):
        code, detail = "timeframe_not_offered", f"{exchange} has no candles of {timeframe}."
    if code is not None:
        raise Refused(detail, code=code, errors=(FieldError(field="timeframe", code=code, message=detail),))
    return TIMEFRAMES[timeframe] * 1000
