"""What the API adds to a request: hot paths in turns with a bare Flask route, on the same server."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.load import Client, client_name, orders, rate
from benchmarks.quick_engine import quick_engine
from benchmarks.report import Report
from benchmarks.servers import Running, bare, product, web

CONNECTIONS = 16
SECONDS = 2
ROUNDS = 7
"""Whatever else the machine does falls on both sides of a round; the median of the rounds' ratios counts."""

SETTINGS = {"WEB_WORKERS": "1", "RATE_LIMIT_PER_MINUTE": "10000000"}
"""One worker on both sides: which of two gets how many of the connections is luck, and makes a difference of half."""

BODY = {"symbol": "BTC/USDT", "side": "buy", "amount": "0.0008", "price": "7000"}
PASSWORD = "a-long-lovely-day"


@dataclass(frozen=True)
class Answered:
    """Answers per second, and what one took of the processors, in microseconds."""

    rate: float
    cost: float


@dataclass
class HotPath:
    """One path of the API, and what was measured of it and of the bare route in the same rounds."""

    what: str
    goal: float
    server: Running
    path: str
    token: str
    body: dict[str, str] | None = None
    ours: list[Answered] = field(default_factory=list)
    bare: list[Answered] = field(default_factory=list)


def main() -> Report:
    """Measure and return the figures."""
    report = Report("Hot paths beside bare Flask (limits on, authenticated)")
    report.notes.append(f"Load client: {client_name()}, {CONNECTIONS} connections, one worker on both sides.")
    report.notes.append("Ratios are to the bare route, rate by rate and the other way round for processor time.")
    report.notes.append("Processor time is that of all processes, without what they take when nobody asks.")
    with tempfile.TemporaryDirectory(prefix="bench-") as name, ExitStack() as running:
        folders = {part: Path(name) / part for part in ("bare", "product", "web")}
        for folder in folders.values():
            folder.mkdir()
        baseline = running.enter_context(bare(folders["bare"], **SETTINGS))
        ours = running.enter_context(product(folders["product"], **SETTINGS))
        running.enter_context(quick_engine(folders["web"] / "var" / "engine.sock"))
        alone = running.enter_context(web(folders["web"], **SETTINGS))
        token = _sign_up(ours)
        paths = [
            HotPath("GET ticker", 0.85, ours, "/api/market/ticker/BTC-USDT", token),
            HotPath("GET portfolio", 0.60, ours, "/api/portfolio", token),
            HotPath("POST order, up to the engine", 0.70, alone, "/api/trading/orders", _sign_up(alone), BODY),
        ]
        idle = {server.pid: _idle(server) for server in (baseline, ours, alone)}
        for _ in range(ROUNDS):
            for each in paths:
                each.bare.append(_ask(each, baseline, "/bare", idle[baseline.pid], Path(name)))
                each.ours.append(_ask(each, each.server, each.path, idle[each.server.pid], Path(name)))
    for each in paths:
        _add(report, each)
    return report


def _ask(each: HotPath, server: Running, path: str, idle: float, folder: Path) -> Answered:
    began, before = time.monotonic(), server.processor_seconds()
    if each.body is None:
        answered = rate(server.port, path, each.token, seconds=SECONDS, connections=CONNECTIONS)
        count = answered * SECONDS
    else:
        tokens = folder / "token"
        tokens.write_text(each.token, encoding="ascii")
        load = orders(server.port, path, tokens, [each.body], CONNECTIONS, seconds=SECONDS)
        answered, count = load.rate, load.count
    spent = server.processor_seconds() - before - idle * (time.monotonic() - began)
    return Answered(answered, spent * 1e6 / count)


def _idle(server: Running) -> float:
    """Return how many seconds of processor time the server takes in a second when nobody asks."""
    before = server.processor_seconds()
    time.sleep(SECONDS)
    return (server.processor_seconds() - before) / SECONDS


def _add(report: Report, each: HotPath) -> None:
    ratio = median(ours.rate / bare.rate for ours, bare in zip(each.ours, each.bare, strict=True))
    cost = median(bare.cost / ours.cost for ours, bare in zip(each.ours, each.bare, strict=True))
    rates = [median(one.rate for one in side) for side in (each.ours, each.bare)]
    costs = [median(one.cost for one in side) for side in (each.ours, each.bare)]
    goal = f"≥ {each.goal:.2f} of bare"
    report.add(each.what, rates[0], "req/s", ratio=ratio, goal=goal, met=ratio >= each.goal)
    report.add("  bare Flask beside it", rates[1], "req/s")
    report.add("  processor time, each", costs[0], "µs", ratio=cost)
    report.add("  bare Flask's", costs[1], "µs")


def _sign_up(server: Running) -> str:
    client = Client(server.port)
    client.ask("POST", "/api/auth/signup", {"username": "bench", "email": "b@example.com", "password": PASSWORD})
    token: str = client.ask("POST", "/api/auth/login", {"username": "bench", "password": PASSWORD})["data"][
        "access_token"
    ]
    return token
