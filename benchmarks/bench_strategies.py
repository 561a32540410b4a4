"""Twenty strategies on one engine: what they take while nothing happens, and how fast they come up and back."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.load import Client
from benchmarks.report import Report
from benchmarks.servers import Running, processor_seconds, product, resident_bytes

STRATEGIES = 20
LEVELS = 5
ORDERS = 2 * LEVELS
WATCHED_SECONDS = 10.0
PATIENCE = 60.0
CALM_SECONDS = 11
"""A part that ran for less than this before it died waits before it is started again."""
KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("grid", {"levels": LEVELS, "spacing_percent": "1"}),
    ("dca", {"timeframe": "1m", "every": 1, "order_value": "10"}),
    ("crossover", {"timeframe": "1m"}),
    ("rsi", {"timeframe": "1m"}),
)


def main() -> Report:
    """Measure and return the figures."""
    report = Report("Twenty strategies on one engine, the real product (paper, SQLite, a tick a second)")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        with product(folder, RATE_LIMIT_ENABLED="false", DEMO_SEED="7") as server:
            client = _signed_in(server.port)
            engine = server.part("engine")
            bare_memory = resident_bytes(engine)
            bare = _load(engine)
            report.add("engine without strategies, processor", bare, "%")
            began = time.monotonic()
            accounts = [_start(client, number) for number in range(STRATEGIES)]
            _wait(client, accounts)
            report.add(f"{STRATEGIES} added, funded, started, and all grids placed", time.monotonic() - began, "s")
            memory = (resident_bytes(engine) - bare_memory) / STRATEGIES / 1000
            report.add("memory of each", memory, "KB", goal="≤ 1,000 KB", met=memory <= 1_000)
            load = _load(engine)
            report.add(
                f"engine with {STRATEGIES} strategies, processor",
                load,
                "%",
                ratio=load / bare,
                goal="≤ 5 %",
                met=load <= 5,
            )
            time.sleep(CALM_SECONDS)
            began = time.monotonic()
            os.kill(engine, signal.SIGKILL)
            _running_again(client, server, engine)
            report.add("all running again after SIGKILL", time.monotonic() - began, "s")
    return report


def _signed_in(port: int) -> Client:
    user = {"username": "ada", "email": "ada@example.com", "password": "a-long-lovely-day"}
    client = Client(port)
    client.ask("POST", "/api/auth/signup", user)
    token = client.ask("POST", "/api/auth/login", {"username": "ada", "password": user["password"]})
    return Client(port, token["data"]["access_token"])


def _start(client: Client, number: int) -> str | None:
    """Add, fund and start a strategy; return its account when it is a grid."""
    kind, settings = KINDS[number % len(KINDS)]
    wanted = {"name": f"s{number}", "strategy_class": kind, "portfolio_name": "BTC/USDT", "settings": settings}
    added = client.ask("POST", "/api/strategies/", {**wanted, "funding": "450"})["data"]
    client.ask("POST", f"/api/strategies/s{number}/init")
    client.ask("POST", f"/api/strategies/s{number}/start")
    return added["account"] if kind == "grid" else None


def _wait(client: Client, accounts: list[str | None]) -> None:
    end = time.monotonic() + PATIENCE
    for account in accounts:
        path = f"/api/trading/orders?status=open&account={account}"
        while account is not None and len(client.ask("GET", path)["data"]) < ORDERS:
            if time.monotonic() > end:
                raise RuntimeError("a grid does not come up")
            time.sleep(0.02)


def _running_again(client: Client, server: Running, before: int) -> None:
    """Wait until the other engine answers what the strategies hold. :raises RuntimeError: it does not."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if server.part("engine") != before:
                states = {each["state"] for each in client.ask("GET", "/api/strategies/holdings")["data"]}
                if states == {"running"}:
                    return
        except (RuntimeError, OSError):
            pass  # it is not back yet
        time.sleep(0.05)
    raise RuntimeError("the engine does not come back")


def _load(pid: int) -> float:
    """Return the processor time a process takes, in percent of one core."""
    before, began = processor_seconds(pid), time.monotonic()
    time.sleep(WATCHED_SECONDS)
    return 100 * (processor_seconds(pid) - before) / (time.monotonic() - began)
