"""Market data: instruments, tickers and candles, under every name a client may use for them."""

from __future__ import annotations

import re
import time
from datetime import datetime

from msgspec.structs import replace

from utils import clock, timeframes
from utils.errors import FieldError, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.pages import DEFAULT_LIMIT, EPOCH, Aged, Cursor, Page, unreadable_cursor
from utils.wire import (
    TIMEFRAMES,
    Candle,
    GetCandles,
    GetMarketTrades,
    GetOptionChain,
    GetOrderBook,
    Instrument,
    MarketTrade,
    OptionChain,
    OptionType,
    OrderBook,
    Ticker,
)

DEFAULT_EXCHANGE = "demo"
FRESH_SECONDS = 0.05
"""How long a ticker is told again without asking the engine: no longer than between two ticks of the fastest market."""

TICKERS = 1_000
INSTRUMENTS_MAX_AGE = 60
CANDLES_MAX_AGE = 300
"""For how many seconds a client may keep an answer; candles that are settled do not change after that either."""
_FORWARD, _BACKWARD = "since", "until"
_UNITS = {
    "": "m",
    "m": "m",
    "min": "m",
    "minute": "m",
    "h": "h",
    "hr": "h",
    "hour": "h",
    "d": "d",
    "day": "d",
    "w": "w",
    "week": "w",
}
_LENGTHS = {"m": 60, "h": 3600, "d": 86400, "w": 604_800}
_NAMES = {seconds: name for name, seconds in TIMEFRAMES.items()} | {_LENGTHS["w"]: timeframes.WEEK}
_MONTHS = frozenset({"mo", "1mo", "mon", "1mon", "month", "1month", "monthly"})
_TIMEFRAME = re.compile(r"([0-9]{0,4})\s?([a-z]*?)s?")


class Market:
    """Read the market. All methods raise `NotFound` for an exchange or a symbol that does not exist."""

    def __init__(self, bridge: OctoBotBridge) -> None:
        self._bridge = bridge
        self._fresh: dict[tuple[str, str], tuple[float, Ticker]] = {}
        """When and what was last told of a market."""

    def instruments(
        self,
        exchange: str | None = None,
        *,
        limit: int = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
        type: str | None = None,
        base: str | None = None,
        quote: str | None = None,
        search: str | None = None,
    ) -> Aged[Page[Instrument]]:
        """Return the markets of this type, base and quote whose symbol contains `search`, by exchange and symbol."""
        listing = self._bridge.listing(exchange)
        sought, after = (search or "").upper(), cursor.id if cursor is not None else ""
        found = sorted((_key(each), each) for each in listing.instruments if _matches(each, type, base, quote, sought))
        rest = [instrument for key, instrument in found if key > after]
        more = len(rest) > limit
        page = Page(rest[:limit], limit, _place(EPOCH, _key(rest[limit - 1])) if more else None)
        return Aged(page, listing.as_of, stale=listing.stale, max_age=INSTRUMENTS_MAX_AGE)

    def tickers(self, symbols: list[str] | None = None, exchange: str = DEFAULT_EXCHANGE) -> list[Ticker]:
        """Return the tickers of `symbols`, of every market for None."""
        return self._bridge.tickers(exchange, symbols)

    def ticker(self, symbol: str, exchange: str = DEFAULT_EXCHANGE) -> Ticker:
        """Return one ticker, as the engine told it at most `FRESH_SECONDS` ago."""
        key, asked = (exchange, symbol), time.monotonic()
        fresh = self._fresh.get(key)
        if fresh is not None and asked - fresh[0] < FRESH_SECONDS:
            return fresh[1]
        ticker = self._bridge.ticker(exchange, symbol)
        if len(self._fresh) >= TICKERS:
            self._fresh.clear()
        self._fresh[key] = (asked, ticker)
        return ticker

    def order_book(self, symbol: str, *, depth: int, exchange: str = DEFAULT_EXCHANGE) -> OrderBook:
        """Return the best `depth` offers on each side."""
        return self._bridge.order_book(GetOrderBook(exchange=exchange, symbol=symbol, depth=depth))

    def trades(self, symbol: str, *, limit: int, exchange: str = DEFAULT_EXCHANGE) -> Aged[list[MarketTrade]]:
        """Return at most `limit` of the latest trades of a market, newest first."""
        found = self._bridge.market_trades(GetMarketTrades(exchange=exchange, symbol=symbol, limit=limit))
        return Aged(found.trades, found.as_of, stale=found.stale)

    def candles(self, query: GetCandles, cursor: Cursor | None = None) -> Aged[Page[Candle]]:
        """Return candles, ascending: the newest, by cursor older ones; or those from `since` on, then newer ones."""
        if cursor is not None:
            query = replace(query, **_bound(cursor))
        series = self._bridge.candles(query)
        next_cursor = None
        if series.more and series.candles:
            forward = query.since is not None
            edge = series.candles[-1].timestamp + 1 if forward else series.candles[0].timestamp - 1
            next_cursor = _place(clock.from_ms(edge), _FORWARD if forward else _BACKWARD)
        page = Page(series.candles, query.limit, next_cursor)
        max_age = CANDLES_MAX_AGE if series.settled else None
        return Aged(page, series.as_of, stale=series.stale, max_age=max_age)

    def candle_rows(self, query: GetCandles) -> list[Candle]:
        """Return the candles alone, as they stand."""
        return self._bridge.candles(query).candles

    def option_chain(
        self,
        symbol: str,
        *,
        exchange: str = DEFAULT_EXCHANGE,
        type: OptionType | None = None,
        expiry: str | None = None,
    ) -> OptionChain:
        """Return the options on a market, of one type or expiry when given.

        :raises NotFound: `no_options`, or `unknown_expiry`.
        """
        return self._bridge.option_chain(GetOptionChain(exchange=exchange, symbol=symbol, kind=type, expiry=expiry))


def _key(instrument: Instrument) -> str:
    return f"{instrument.exchange} {instrument.symbol}"


def _matches(instrument: Instrument, type: str | None, base: str | None, quote: str | None, sought: str) -> bool:
    symbol = instrument.symbol.upper()
    return (
        type in {None, instrument.type}
        and base in {None, instrument.base}
        and quote in {None, instrument.quote}
        and (sought in symbol or sought in symbol.replace("/", "-"))
    )


def _place(at: datetime, name: str) -> str:
    return Cursor(at, name).encode()


def _bound(cursor: Cursor) -> dict[str, int]:
    """Return the bound of a query that goes on at `cursor`. :raises Malformed: the cursor is of another list."""
    if cursor.id not in {_FORWARD, _BACKWARD}:
        raise unreadable_cursor()
    return {cursor.id: max(clock.to_ms(cursor.created_at), 0)}


def symbol_of(text: str) -> str:
    """Return the symbol a client means: `btc-usdt` is `BTC/USDT`, for paths cannot well hold a slash."""
    upper = text.strip().upper()
    return upper if "/" in upper else upper.replace("-", "/", 1)


def timeframe_of(text: str) -> str:
    """Return the time frame a client means: `5minute`, `5min` and `5` are `5m`, `60` and `1hour` are `1h`.

    Case matters for one letter alone: `1m` is a minute, `1M` a month, which `1month` is too.

    :raises Refused: `unknown_timeframe` when there is no such time frame.
    """
    word = text.strip()
    if word == timeframes.MONTH or word.lower() in _MONTHS:
        return timeframes.MONTH
    match = _TIMEFRAME.fullmatch(word.lower())
    unit = _UNITS.get(match[2]) if match and (match[1] or match[2]) else None
    if match is not None and unit is not None:
        name = _NAMES.get(int(match[1] or 1) * _LENGTHS[unit])
        if name is not None:
            return name
    message = f"Use one of {', '.join(timeframes.NAMES)}."
    error = FieldError(field="timeframe", code="unknown_timeframe", message=message)
    raise Refused("There is no such time frame.", code="unknown_timeframe", errors=(error,))
