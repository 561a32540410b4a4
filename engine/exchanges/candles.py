"""Candles of a real exchange: read page by page, on our grid, without gaps."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.exchanges.failures import check_readable
from engine.markets.folding import fold
from utils import clock, timeframes
from utils.errors import FieldError, Refused
from utils.money import ZERO, told
from utils.timeframes import Window
from utils.wire import TIMEFRAMES, Candle

MOST_PAGES = 10
PAGE = 1000
"""How many candles an exchange is asked for at a time when it is not known how many there are."""
GENESIS = 1_230_768_000_000
"""2009-01-01: nothing was traded before, so nobody is asked for it."""
_COARSE_TO_FINE = ("1w", "1d", "1h", "1m")
Row = tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal]


class Candles:
    """Ask one exchange for candles; to be used on one event loop.

    Where an exchange has no candle, since nobody traded or it was closed, a flat one without volume stands at the
    close before, also at either end of what is asked for; so pages that follow on each other have no gap. Only a
    break longer than 1,000 candles is left out. Weeks and months are made of the exchange's days: not all exchanges
    begin their weeks on Monday.
    """

    def __init__(self, exchange: str) -> None:
        self._exchange = exchange
        self._begins: dict[str, int] = {}

    def check(self, client: Any, timeframe: str) -> None:
        """Refuse what there is not. :raises Refused: `unknown_timeframe`, or `timeframe_not_offered`."""
        code = None
        if timeframe not in timeframes.NAMES:
            code, detail = "unknown_timeframe", f"There is no time frame {timeframe}."
        elif ("1d" if timeframe in timeframes.CALENDAR else timeframe) not in (client.timeframes or {}):
            code, detail = "timeframe_not_offered", f"{self._exchange} has no candles of {timeframe}."
        if code is not None:
            raise Refused(detail, code=code, errors=(FieldError(field="timeframe", code=code, message=detail),))

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
        """Return what `MarketSource.candles` returns; `check` comes first.

        :raises ccxt.BaseError: when the exchange does not answer.
        """
        now = int(at * 1000)
        asked = timeframes.window(
            timeframe, limit=limit, since=None if since is None else max(since, GENESIS), until=until, now=now
        )
        if timeframe in timeframes.CALENDAR:
            return await self._folded(client, symbol, timeframe, asked, now)
        found = await self._whole(client, symbol, timeframe, asked, now)
        if not found and since is not None and asked.first <= asked.last:
            begin = max(asked.first, timeframes.opening(timeframe, await self._begin(client, symbol)))
            shifted = timeframes.window(timeframe, limit=limit, since=begin, until=until, now=now)
            found = await self._whole(client, symbol, timeframe, shifted, now) if shifted != asked else []
        return found

    async def _whole(self, client: Any, symbol: str, timeframe: str, asked: Window, now: int) -> list[Candle]:
        """Return the candles of a window, those filled that the exchange leaves out; none before its first one."""
        length = TIMEFRAMES[timeframe] * 1000
        openings = range(asked.first, asked.last + 1, length)
        if not openings:
            return []
        rows = {row[0]: row for row in await _pages(client, symbol, timeframe, openings)}
        close = None
        if openings[0] not in rows:
            before = await _pages(client, symbol, timeframe, range(openings[0] - PAGE * length, openings[0], length), 1)
            close = before[-1][4] if before else None
        found: list[Candle] = []
        for opening in openings:
            row = rows.get(opening)
            if row is None:
                if close is None:
                    continue
                row = (opening, close, close, close, close, ZERO)
            close = row[4]
            found.append(_candle(row, closed=opening + length <= now))
        return found

    async def _folded(self, client: Any, symbol: str, timeframe: str, asked: Window, now: int) -> list[Candle]:
        """Return weeks or months; the days are read from the newest ones back, until there are none."""
        first = max(asked.first, timeframes.opening(timeframe, GENESIS))
        last = timeframes.opening("1d", min(timeframes.shifted(timeframe, asked.last, 1) - 1, now))
        days: list[Candle] = []
        while last >= first:
            start = max(first, last - (PAGE - 1) * timeframes.DAY_MS)
            page = await self._whole(client, symbol, "1d", Window(start, last), now)
            days = page + days
            if not page or page[0].timestamp > start:
                break
            last = start - timeframes.DAY_MS
        return fold(days, timeframe, now)

    async def _begin(self, client: Any, symbol: str) -> int:
        """Return when the exchange's first candle opens, found from weeks down to minutes; remembered."""
        if symbol not in self._begins:
            begin = GENESIS
            for timeframe in _COARSE_TO_FINE:
                if timeframe in client.timeframes:
                    rows = await client.fetch_ohlcv(symbol, timeframe, begin, PAGE)
                    check_readable()
                    begin = max(begin, int(rows[0][0])) if rows else begin
            self._begins[symbol] = begin
        return self._begins[symbol]


async def _pages(client: Any, symbol: str, timeframe: str, openings: range, most: int = MOST_PAGES) -> list[Row]:
    """Return the rows of these openings (epoch ms), as far as there are any, in as many pages as it takes."""
    rows: dict[int, Row] = {}
    for _ in range(most):
        if not openings:
            break
        page = await client.fetch_ohlcv(symbol, timeframe, openings[0], len(openings))
        check_readable()
        fresh = {int(row[0]): _row(row) for row in page if int(row[0]) in openings}
        if not fresh:
            break
        rows.update(fresh)
        openings = range(max(fresh) + openings.step, openings.stop, openings.step)
    return [rows[opening] for opening in sorted(rows)]


def _row(row: Any) -> Row:
    opening, *numbers = row
    open_, high, low, close, volume = (ZERO if number is None else told(number) for number in numbers)
    return int(opening), open_, high, low, close, volume


def _candle(row: Row, *, closed: bool) -> Candle:
    opening, open_, high, low, close, volume = row
    return Candle(
        timestamp=opening,
        time=clock.from_ms(opening),
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        closed=closed,
    )
