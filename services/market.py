"""Market data: instruments, tickers and candles, under every name a client may use for them."""

from __future__ import annotations

import re
import time

from utils.errors import FieldError, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.wire import TIMEFRAMES, Candle, GetCandles, Instrument, Ticker

DEFAULT_EXCHANGE = "demo"
FRESH_SECONDS = 0.05
"""How long a ticker is told again without asking the engine: no longer than between two ticks of the fastest market."""

TICKERS = 1_000
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
}
_LENGTHS = {"m": 60, "h": 3600, "d": 86400}
_NAMES = {seconds: name for name, seconds in TIMEFRAMES.items()}
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
        base: str | None = None,
        quote: str | None = None,
        search: str | None = None,
    ) -> list[Instrument]:
        """Return the markets whose base and quote are these and whose symbol contains `search`, in any case."""
        sought = (search or "").upper()
        return [
            instrument
            for instrument in self._bridge.instruments(exchange)
            if base in {None, instrument.base}
            and quote in {None, instrument.quote}
            and (sought in instrument.symbol.upper() or sought == instrument.symbol.replace("/", "-").upper())
        ]

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

    def candles(self, query: GetCandles) -> list[Candle]:
        """Return candles, ascending."""
        return self._bridge.candles(query)


def symbol_of(text: str) -> str:
    """Return the symbol a client means: `btc-usdt` is `BTC/USDT`, for paths cannot well hold a slash."""
    upper = text.strip().upper()
    return upper if "/" in upper else upper.replace("-", "/", 1)


def timeframe_of(text: str) -> str:
    """Return the time frame a client means: `5minute`, `5min` and `5` are `5m`, `60` and `1hour` are `1h`.

    :raises Refused: `unknown_timeframe` when there is no such time frame.
    """
    match = _TIMEFRAME.fullmatch(text.strip().lower())
    unit = _UNITS.get(match[2]) if match and (match[1] or match[2]) else None
    if match is not None and unit is not None:
        name = _NAMES.get(int(match[1] or 1) * _LENGTHS[unit])
        if name is not None:
            return name
    message = f"Use one of {', '.join(TIMEFRAMES)}."
    error = FieldError(field="timeframe", code="unknown_timeframe", message=message)
    raise Refused("There is no such time frame.", code="unknown_timeframe", errors=(error,))
