"""Backtests: how long 500 candles take, without what starting takes."""

from __future__ import annotations

import asyncio
import logging
import time
from decimal import Decimal
from typing import Any

import uvloop

from benchmarks.report import Report
from engine.backtests.history import recording_of
from engine.backtests.play import play
from engine.backtests.run import Backtest
from engine.demo.generator import DemoMarket

EPOCH = 1_750_000_000
CANDLES, PAST = 500, 60
SECONDS = 1.0
STRATEGIES: dict[str, dict[str, Any]] = {
    "grid": {"levels": 5, "spacing_percent": "0.5"},
    "dca": {"timeframe": "1h", "every": 6, "order_value": "20"},
    "crossover": {"timeframe": "1h", "fast": 3, "slow": 10},
}


class Watch:
    """Note when it was made, and when each candle had been played."""

    def __init__(self) -> None:
        self.moments = [time.perf_counter()]

    def candle(self, _number: int, _of: int) -> None:
        """Note that a candle has been played."""
        self.moments.append(time.perf_counter())


def main() -> Report:
    """Measure and return the figures; the ratio is to the start-up of the same run."""
    report = Report(f"Backtests of {CANDLES} candles")
    at = EPOCH + 86_400 * 60
    candles = DemoMarket(7, EPOCH).candles("BTC/USDT", "1h", limit=CANDLES + PAST + 1, at=at)
    recording = recording_of("BTC/USDT", "1h", [each for each in candles if each.closed])
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        for name, settings in STRATEGIES.items():
            backtest = Backtest(
                strategy_class=name,
                settings=settings,
                symbols=["BTC/USDT"],
                portfolio={"USDT": Decimal(5_000)},
                fee=None,
                past=PAST,
            )
            watch = Watch()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                played = runner.run(play(backtest, [recording], watch.candle))
            took, start = watch.moments[-1] - watch.moments[1], watch.moments[1] - watch.moments[0]
            what = f"{name}: {played.candles} candles, {len(played.trades)} trades"
            report.add(what, took, "s", ratio=took / start, goal="<= 1 s", met=took <= SECONDS)
    finally:
        logging.disable(before)
    return report
