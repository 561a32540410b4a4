"""When candles close, by the market's own clock, and which ones have closed: strategies never use the wall clock."""

from __future__ import annotations

from collections.abc import Callable

from engine.markets.market import Market
from engine.strategies.mode import Window
from utils import timeframes
from utils.errors import EngineUnavailable
from utils.wire import TIMEFRAMES, Candle, GetCandles


class CandleClock:
    """Tell at each tick of a market which time frames have begun a new candle since the one before."""

    def __init__(self, market: Market, closed: Callable[[str, str], None]) -> None:
        """Follow `market`; `closed` is called with its exchange and the time frame."""
        self._market = market
        self._closed = closed
        self._running: dict[str, int] = {}
        market.listen(self._tick)

    async def _tick(self, _quotes: object) -> None:
        time = self._market.time()
        for timeframe, seconds in TIMEFRAMES.items():
            number = int(time // seconds)
            if self._running.setdefault(timeframe, number) != number:
                self._running[timeframe] = number
                self._closed(self._market.exchange, timeframe)


async def closed_candles(market: Market, symbol: str, window: Window | None) -> list[Candle]:
    """Return the candles that a class wants to see, as of the market's last tick or later.

    :raises EngineUnavailable: what is known of them is from before the last one closed; to be asked again.
    """
    if window is None:
        return []
    name = window.timeframe
    latest = timeframes.shifted(name, timeframes.opening(name, int(market.time() * 1000)), -1)
    query = GetCandles(exchange=market.exchange, symbol=symbol, timeframe=name, limit=window.count + 1)
    closed = [candle for candle in (await market.candles(query)).candles if candle.closed]
    if closed and closed[-1].timestamp < latest:
        detail = f"{market.exchange} does not tell yet how the last candle of {symbol} closed."
        raise EngineUnavailable(detail, code="candle_not_known", retry_after=1)
    return closed[-window.count :]
