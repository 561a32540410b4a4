"""When candles close, on the market's own clock: strategies decide then, and never by the wall's."""

from __future__ import annotations

from collections.abc import Callable

from engine.market import Market
from utils.wire import TIMEFRAMES


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
