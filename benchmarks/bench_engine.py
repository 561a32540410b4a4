"""The engine alone, in this process: ticks over many accounts, fills with their commits, opening and closing."""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import uvloop

from benchmarks.report import Report
from benchmarks.seed import SYMBOL, seed
from config import Settings
from engine.demo.generator import DemoMarket
from engine.engine import Engine
from engine.markets.source import Quote

ACCOUNTS = 1000
TICKS = 200
MARK = Decimal(60_000)
LIMIT = Decimal(50_000)
FAR = Decimal(7_000)


class HeldMarket(DemoMarket):
    """The demo market, but for one symbol, whose price stands where the benchmark puts it."""

    price = MARK

    def quote(self, symbol: str, at: float) -> Quote:
        """Return the price of `symbol`, generated or put."""
        quote = super().quote(symbol, at)
        if symbol != SYMBOL:
            return quote
        return Quote(symbol=symbol, price=self.price, bid=self.price - 1, ask=self.price + 1, at=at)


def main() -> Report:
    """Measure and return the figures."""
    report = Report("The engine alone (SQLite, paper)")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, tempfile.TemporaryDirectory() as name:
            for part in ("none", "ticks", "fills", "cold"):
                (Path(name) / part).mkdir()
            empty = runner.run(_ticks(report, Path(name) / "none", accounts=0, base=None))
            runner.run(_ticks(report, Path(name) / "ticks", accounts=ACCOUNTS, base=empty))
            runner.run(_fills(report, Path(name) / "fills", accounts=100, orders=10, warm=True))
            runner.run(_fills(report, Path(name) / "cold", accounts=ACCOUNTS, orders=1, warm=False))
    finally:
        logging.disable(before)
    return report


async def _ticks(report: Report, folder: Path, *, accounts: int, base: float | None) -> float:
    settings = _settings(folder)
    seed(settings.database_url, accounts=accounts, orders=10, price=FAR)
    engine = Engine(settings, HeldMarket(7, time.time()))
    await engine.start(ticking=False)
    spent = []
    for _ in range(TICKS):
        began = time.perf_counter()
        await engine.market.tick()
        spent.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.005)
    await engine.stop()
    p50 = statistics.median(spent)
    if base is None:
        report.add("one tick, no open orders", p50, "ms")
    else:
        what = f"one tick over {accounts:,} accounts with 10 open orders each, none touched"
        report.add(what, p50, "ms", ratio=p50 / base, goal="≤ 1 ms", met=p50 <= 1)
    return p50


async def _fills(report: Report, folder: Path, *, accounts: int, orders: int, warm: bool) -> None:
    settings = _settings(folder)
    owners = seed(settings.database_url, accounts=accounts, orders=orders, price=LIMIT)
    market = HeldMarket(7, time.time())
    engine = Engine(settings, market)
    await engine.start(ticking=False)
    if warm:
        await asyncio.gather(*(engine._accounts.get(account) for _, account in owners))
    market.price = LIMIT - 1
    gc.collect()
    began, cpu = time.perf_counter(), time.process_time()
    await engine.market.tick()
    await engine.settle()
    took, cpu = (time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000
    if len(engine._triggers):
        raise RuntimeError(f"{len(engine._triggers)} orders did not fill")
    if warm:
        what = f"{accounts * orders:,} fills in {accounts} accounts, committed"
        report.add(what, took, "ms", goal="≤ 400 ms", met=took <= 400)
    else:
        report.add(f"{accounts:,} fills in {accounts:,} accounts that are not in memory, committed", took, "ms")
    report.add("  processor time of it", cpu, "ms")
    began, cpu = time.perf_counter(), time.process_time()
    closed = await engine._accounts.close_idle(idle_seconds=0, most=1_000_000)
    cpu = (time.process_time() - cpu) * 1000 / closed
    report.add("closing an idle account, processor time", cpu, "ms")
    await engine.stop()


def _settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, database_url=f"sqlite:///{folder / 'bench.db'}", secret_key=secrets.token_hex(32))
