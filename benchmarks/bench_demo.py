"""What the demo exchange costs, beside an empty Python loop timed in the same run.

Times are medians of several runs, but for those marked "first".
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import octobot_trading.api as trading_api
from octobot_commons.enums import TimeFrames
from octobot_trading import exchange_data

from benchmarks.report import Report
from engine.demo.exchange import register
from engine.demo.generator import DemoMarket

EPOCH = 1_763_600_000.0
ACCOUNTS = 60


def main() -> Report:
    """Measure and return the figures."""
    report = Report("Demo exchange, in one process")
    report.notes.append("The ratio is to the empty loop: it says more than the figure on a busy machine.")
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        rows = [("empty loop of 100", _median(_loop)), *_market(), *asyncio.run(_accounts())]
    finally:
        logging.disable(before)
    for what, seconds in rows:
        report.add(what, seconds * 1e6, "µs", ratio=seconds / rows[0][1])
    return report


def _market() -> list[tuple[str, float]]:
    market = DemoMarket(7, EPOCH)
    rows = [
        (f"candles 500 x {timeframe} {symbol}, first", _timed(partial(_candles, market, symbol, timeframe)))
        for timeframe in ("1m", "1d")
        for symbol in ("BTC/USDT", "ETH/BTC")
    ]
    rows += [
        (f"candles 500 x {timeframe} BTC/USDT, again", _median(partial(_candles, market, "BTC/USDT", timeframe)))
        for timeframe in ("1m", "1h", "1d")
    ]
    for symbol in market.symbols:
        market.quote(symbol, EPOCH)
    moments = iter(range(1_000_000))

    def tick() -> None:
        at = EPOCH + next(moments) * 0.05
        for symbol in market.symbols:
            market.quote(symbol, at)

    rows.append((f"quote, mean of {len(market.symbols)} symbols each 50 ms", _median(tick, 2000) / len(market.symbols)))
    rows.append(("ticker", _median(lambda: market.ticker("BTC/USDT", EPOCH))))
    rows.append(("order book, 20 levels", _median(lambda: market.order_book("BTC/USDT", 20, EPOCH))))
    rows.append(("trades, 50", _median(lambda: market.trades("BTC/USDT", 50, EPOCH))))
    return rows


async def _accounts() -> list[tuple[str, float]]:
    """Return what building an OctoBot account costs that trades every pair and has no pollers of its own."""
    market = DemoMarket(7, EPOCH)
    register(market)
    saved = list(exchange_data.UNAUTHENTICATED_UPDATER_PRODUCERS)
    exchange_data.UNAUTHENTICATED_UPDATER_PRODUCERS[:] = []
    managers, times = [], []
    try:
        for _ in range(ACCOUNTS):
            started = time.perf_counter()
            managers.append(await _account(market.symbols))
            times.append(time.perf_counter() - started)
    finally:
        exchange_data.UNAUTHENTICATED_UPDATER_PRODUCERS[:] = saved
        await asyncio.gather(*(trading_api.stop_exchange(manager) for manager in managers))
    return [(f"OctoBot account, {len(market.symbols)} pairs", statistics.median(times))]


async def _account(symbols: tuple[str, ...]) -> Any:
    pairs: dict[str, list[str]] = {}
    for symbol in symbols:
        pairs.setdefault(symbol.split("/", maxsplit=1)[0], []).append(symbol)
    builder = trading_api.create_exchange_builder(
        {
            "crypto-currencies": {base: {"pairs": listed, "enabled": True} for base, listed in pairs.items()},
            "exchanges": {"demo": {"enabled": True, "exchange-type": "spot"}},
            "trading": {"reference-market": "USDT", "risk": 0.5},
            "trader": {"enabled": False, "load-trade-history": False},
            "trader-simulator": {
                "enabled": True,
                "fees": {"maker": 0.1, "taker": 0.1},
                "starting-portfolio": {"USDT": 10_000},
            },
            "time_frame": [TimeFrames.ONE_HOUR],
            "required_candles_count": 200,
        },
        "demo",
    )
    builder.is_simulated().is_rest_only().disable_trading_mode().enable_storage(False).is_spot_only(True)
    return await builder.build()


def _candles(market: DemoMarket, symbol: str, timeframe: str) -> None:
    assert len(market.candles(symbol, timeframe, limit=500, at=EPOCH)) == 500


def _loop() -> None:
    for _ in range(100):
        pass


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _median(action: Callable[[], object], rounds: int = 100) -> float:
    return statistics.median(_timed(action) for _ in range(rounds))
