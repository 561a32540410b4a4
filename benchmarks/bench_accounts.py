"""Many accounts in the real product: memory, a killed engine, calls over the bridge and long lists."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from benchmarks.load import Client, times
from benchmarks.quick_engine import quick_engine
from benchmarks.report import Report, percentile
from benchmarks.seed import AMOUNT, SYMBOL, seed
from benchmarks.servers import product
from utils.errors import TradingError
from utils.octobot_bridge import OctoBotBridge, UnixTransport
from utils.wire import Actor, OrderTicket, PlaceOrder

ACCOUNTS = 10_000
ACTIVE = 1_000
ORDERS = 10
FAR = Decimal(7_000)
PASSWORD = "a-long-lovely-day"
START_SECONDS = 60
CALL_ROUNDS = 6
CALM_SECONDS = 11
"""A part that ran for less than this before it died waits before it is started again."""


def main() -> Report:
    """Measure and return the figures."""
    report = Report("Many accounts, the real product (paper, SQLite)")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "var").mkdir()
        url = f"sqlite:///{folder / 'var' / 'trading.db'}"
        seed(url, accounts=0, orders=0, price=FAR)
        with product(folder, RATE_LIMIT_ENABLED="false", MAX_OPEN_ORDERS="1000") as server:
            bridge = OctoBotBridge(UnixTransport(folder / "var" / "engine.sock"), timeout=60)
            base = _restart(bridge)
            report.add("engine back after SIGKILL, no accounts", base, "s")
            owners = seed(url, accounts=ACTIVE, orders=ORDERS, price=FAR)
            time.sleep(CALM_SECONDS)
            _restart(bridge)  # it has not read the new orders yet
            time.sleep(CALM_SECONDS)
            took = _restart(bridge)
            found = bridge.status().open_orders
            if found != ACTIVE * ORDERS:
                raise RuntimeError(f"{found} open orders are in the index")
            what = f"engine back after SIGKILL, {ACTIVE:,} accounts, {found:,} open orders in the index"
            report.add(what, took, "s", ratio=took / base, goal="≤ 5 s", met=took <= 5)
            seed(url, accounts=ACCOUNTS - ACTIVE, orders=0, price=FAR)
            _memory(report, bridge, owners)
            _calls(report, bridge, folder)
            _list(report, server.port)
    return report


def _restart(bridge: OctoBotBridge) -> float:
    """Kill the engine and return after how many seconds it answers again."""
    before = bridge.status()
    os.kill(before.pid, signal.SIGKILL)
    began = time.monotonic()
    while True:
        try:
            after = bridge.status()
            break
        except TradingError:
            if time.monotonic() - began > START_SECONDS:
                raise
            time.sleep(0.02)
    took = time.monotonic() - began
    if after.pid == before.pid:
        raise RuntimeError("the engine was not killed")
    return took


def _memory(report: Report, bridge: OctoBotBridge, owners: list[tuple[Actor, str]]) -> None:
    """Let a tenth of all accounts trade and look at what the engine takes then."""
    idle = _resident(bridge.status().pid)
    ticket = OrderTicket(symbol=SYMBOL, side="buy", type="market", amount=AMOUNT)

    def trade(owner: tuple[Actor, str]) -> None:
        bridge.place_order(PlaceOrder(actor=owner[0], account=owner[1], ticket=ticket))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(trade, owners))
    status = bridge.status()
    used = _resident(status.pid)
    what = f"engine with {ACCOUNTS:,} accounts, {status.accounts_in_memory:,} of them in memory"
    report.add(what, used, "MB", goal="≤ 600 MB", met=used <= 600)
    report.add("  before any account was opened", idle, "MB")
    report.add("  each account in memory, with 10 open orders", (used - idle) / status.accounts_in_memory * 1000, "KB")


def _calls(report: Report, bridge: OctoBotBridge, folder: Path) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def nothing() -> None:
        return None

    inside, across, status = [], [], []
    with quick_engine(folder / "quick.sock") as quick:
        for _ in range(CALL_ROUNDS):  # in turns, so that whatever else the machine does falls on all
            inside += times(lambda: asyncio.run_coroutine_threadsafe(nothing(), loop).result(), 500)
            across += times(lambda: quick.open_orders(""), 500)
            status += times(bridge.status, 500)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    base, p50, p99 = (percentile(inside, 50) * 1000, percentile(across, 50) * 1000, percentile(across, 99) * 1000)
    report.add("run_coroutine_threadsafe in this process, p50", base, "µs")
    ratio = p50 / base
    met = p50 <= 50 and ratio <= 0.7
    report.add("bridge call that asks for nothing, p50", p50, "µs", ratio=ratio, goal="≤ 50 µs, ≤ 0.7 of it", met=met)
    report.add("bridge call that asks for nothing, p99", p99, "µs", goal="≤ 150 µs", met=p99 <= 150)
    report.add("bridge call (status of the engine), p50", percentile(status, 50) * 1000, "µs")


def _list(report: Report, port: int) -> None:
    client = Client(port)
    client.ask("POST", "/api/auth/signup", {"username": "bench", "email": "b@example.com", "password": PASSWORD})
    answer = client.ask("POST", "/api/auth/login", {"username": "bench", "password": PASSWORD})
    client = Client(port, answer["data"]["access_token"])
    body = {"symbol": SYMBOL, "side": "buy", "amount": str(AMOUNT), "price": str(FAR)}
    for _ in range(1000):
        client.ask("POST", "/api/trading/orders", body)

    def read() -> None:
        page = client.ask("GET", "/api/trading/orders?limit=500")
        cursor = page["pagination"]["next_cursor"]
        following = client.ask("GET", f"/api/trading/orders?limit=500&cursor={cursor}")
        if len(page["data"]) + len(following["data"]) != 1000:
            raise RuntimeError("these are not 1,000 orders")

    p50 = percentile(times(read, 30, warm_up=5), 50)
    report.add("list 1,000 orders (two pages), read and parsed, p50", p50, "ms", goal="≤ 20 ms", met=p50 <= 20)


def _resident(pid: int) -> float:
    """Return the memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
