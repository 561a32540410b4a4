"""The whole way over HTTP: start to ready, and round trips of orders and reads beside a bare Flask route."""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

from benchmarks.load import Client, times
from benchmarks.report import Report, percentile
from benchmarks.servers import Running, bare, product

ORDERS = 300
TICKER = "/api/market/ticker/BTC-USDT"


def main() -> Report:
    """Measure and return the figures."""
    report = Report("HTTP, the real product (paper, demo market, SQLite)")
    report.notes.append("The baseline is bare Flask on the same gunicorn.")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folders = {part: Path(name) / part for part in ("bare", "unlimited", "limited")}
        for folder in folders.values():
            folder.mkdir()
        with bare(folders["bare"]) as baseline:
            with product(folders["unlimited"], RATE_LIMIT_ENABLED="false") as unlimited:
                _start(report, "start to ready, new installation", unlimited, goal=None)
                _orders(report, unlimited, baseline)
            with product(folders["unlimited"], RATE_LIMIT_ENABLED="false") as unlimited:
                _start(report, "start to ready, existing one", unlimited, goal=5.0)
            with product(folders["limited"]) as limited:
                _limited(report, limited, baseline)
    return report


def _start(report: Report, what: str, server: Running, *, goal: float | None) -> None:
    met = None if goal is None else server.seconds <= goal
    report.add(what, server.seconds, "s", goal="" if goal is None else f"≤ {goal:.0f} s", met=met)


def _orders(report: Report, server: Running, baseline: Running) -> None:
    report.notes.append("Orders run with RATE_LIMIT_ENABLED=false.")
    client = Client(server.port, _sign_up(Client(server.port)))
    plain = Client(baseline.port)
    market = {"symbol": "BTC/USDT", "side": "buy", "type": "market", "amount": "0.0002"}
    last = client.ask("GET", TICKER)["data"]["last"].partition(".")[0]
    limit = {"symbol": "BTC/USDT", "side": "buy", "amount": "0.0002", "price": str(int(last) * 8 // 10)}
    base = times(lambda: plain.ask("POST", "/bare", market), ORDERS)
    report.add("bare Flask POST, p50", percentile(base, 50), "ms")
    numbers = count()

    def sides() -> None:  # buys and sells in turns, so that funds last
        side = "buy" if next(numbers) % 2 == 0 else "sell"
        client.ask("POST", "/api/trading/orders", {**market, "side": side})

    # a little more than is sold, so that fees taken in bitcoin do not leave a sell uncovered
    client.ask("POST", "/api/trading/orders", {**market, "amount": "0.01"})
    for what, measured in (
        ("market order, committed and filled", times(sides, ORDERS)),
        ("limit order, committed", times(lambda: client.ask("POST", "/api/trading/orders", limit), ORDERS)),
    ):
        p50 = percentile(measured, 50)
        report.add(f"{what}, p50", p50, "ms", ratio=p50 / percentile(base, 50), goal="≤ 5 ms", met=p50 <= 5)
        report.add(f"{what}, p99", percentile(measured, 99), "ms")


def _limited(report: Report, server: Running, baseline: Running) -> None:
    """Take round trips with limits on, fewer than any limit allows: a refusal would pass for a fast answer."""
    client = Client(server.port, _sign_up(Client(server.port)))
    plain = Client(baseline.port)
    base = percentile(times(lambda: plain.ask("GET", "/bare"), 200), 50)
    ticker = percentile(times(lambda: client.ask("GET", TICKER), 200), 50)
    report.add("GET ticker at one client, limits on, p50", ticker, "ms", ratio=ticker / base)


def _sign_up(client: Client) -> str:
    body = {"username": "bench", "email": "bench@example.com", "password": "a-long-lovely-day"}
    client.ask("POST", "/api/auth/signup", body)
    return _log_in(client)


def _log_in(client: Client) -> str:
    body = {"username": "bench", "password": "a-long-lovely-day"}
    token: str = client.ask("POST", "/api/auth/login", body)["data"]["access_token"]
    return token
