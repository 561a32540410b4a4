"""The market as its users see it between two ticks."""

from __future__ import annotations

import asyncio

from engine.demo.generator import DemoMarket
from engine.demo.market import LocalMarket
from utils.wire import GetCandles

EPOCH = 1_700_000_000.0


def test_nobody_sees_a_price_before_orders_fill_at_it() -> None:
    now = EPOCH
    source = DemoMarket(7, EPOCH)
    market = LocalMarket(source, 1.0, clock=lambda: now)
    asyncio.run(market.tick())
    seen = market.quote("BTC/USDT").price
    now += 30
    assert source.quote("BTC/USDT", now).price != seen
    assert [ticker.last for ticker in market.tickers(["BTC/USDT"])] == [seen]
    query = GetCandles(exchange="demo", symbol="BTC/USDT", timeframe="1m", limit=1)
    [candle] = asyncio.run(market.candles(query)).candles
    assert candle.close == seen
