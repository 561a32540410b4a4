"""What strategies see of candles: never a past in which the last one has not closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from engine.strategies.candles import closed_candles
from engine.strategies.mode import Window
from tests.unit.strategies.playground import recorded
from utils.clock import from_ms
from utils.errors import EngineUnavailable
from utils.wire import Candle, CandleSeries, GetCandles

CANDLES = recorded("BTC/USDT", "1h", 4)
WINDOW = Window("1h", 2)


class Market:
    """Tells what it was told at `told_at`, in candles, as an exchange's answer that is kept for some seconds."""

    exchange = "binance"

    def __init__(self, now: int, told_at: int) -> None:
        self.now, self.told_at = now, told_at

    def time(self) -> float:
        return CANDLES[self.now].timestamp / 1000 + 1

    async def candles(self, query: GetCandles) -> CandleSeries:
        known = [replace(candle, closed=number < self.told_at) for number, candle in enumerate(CANDLES)]
        found = known[: self.told_at + 1][-query.limit :]
        return CandleSeries(candles=found, more=True, settled=False, as_of=from_ms(CANDLES[self.told_at].timestamp))


def look(market: Any) -> list[Candle]:
    return asyncio.run(closed_candles(market, "BTC/USDT", WINDOW))


def test_an_answer_from_before_the_close_is_asked_for_again() -> None:
    market = Market(now=3, told_at=2)
    with pytest.raises(EngineUnavailable, match="closed"):
        look(market)
    market.told_at = 3
    assert [candle.timestamp for candle in look(market)] == [candle.timestamp for candle in CANDLES[1:3]]


def test_an_answer_that_is_ahead_of_the_ticks_will_do() -> None:
    assert [candle.timestamp for candle in look(Market(now=2, told_at=3))] == [each.timestamp for each in CANDLES[1:3]]
