"""What counting costs a request, and what a scrape costs: in one process that shares its counts with others."""

from __future__ import annotations

import multiprocessing
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import Report

ROUNDS = 20
ROUTES = 60


def main() -> Report:
    """Measure and return the figures."""
    report = Report("Metrics (counts in files that the web processes share)")
    report.notes.append("Ratios are to a whole request of the bare Flask route, in the same process.")
    with tempfile.TemporaryDirectory(prefix="bench-") as name, multiprocessing.get_context("spawn").Pool(1) as pool:
        bare, request, call, scrape = pool.apply(_measure, (name,))
    report.add("bare Flask GET, without a server", bare, "µs")
    report.add("counting a request", request, "µs", ratio=request / bare, goal="≤ 0.10", met=request <= 0.1 * bare)
    report.add("counting a call of the engine", call, "µs", ratio=call / bare)
    report.add(f"a scrape of {ROUTES} routes, engine away", scrape, "µs", ratio=scrape / bare)
    return report


def _measure(name: str) -> tuple[float, ...]:
    from utils import shared_metrics  # in a process of its own: the choice where to count holds for good

    shared_metrics.clear(Path(name) / "metrics")
    shared_metrics.join(Path(name) / "metrics")
    from werkzeug.test import create_environ, run_wsgi_app

    from benchmarks import bare
    from models import Database
    from services.jobs import Jobs
    from services.leases import Leases
    from services.operations.metrics import Metrics
    from utils.octobot_bridge import OctoBotBridge, UnixTransport
    from utils.streamer_channel import StreamerChannel

    app, environ = bare.create_app(), create_environ("/bare")
    bridge = OctoBotBridge(UnixTransport(Path(name) / "none.sock"))
    database = Database(f"sqlite:///{Path(name) / 'none.db'}")
    streamer = StreamerChannel(Path(name) / "none.sock")
    metrics = Metrics(bridge, streamer, Jobs(database), Leases(database), secrets.token_hex(32))
    for number in range(ROUTES):
        metrics.count_request(f"/route/{number}", "GET", 200, 0.001 * number)
    return (
        _median(lambda: run_wsgi_app(app, environ.copy()), 200),
        _median(lambda: metrics.count_request("/route/1", "GET", 200, 0.003), 2000),
        _median(lambda: metrics.count_call("GetTickers", 0.0002), 2000),
        _median(metrics.page, 10),
    )


def _median(action: Callable[[], object], count: int) -> float:
    """Return what one of `count` actions takes in microseconds, the median of several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(count):
            action()
        rounds.append((time.perf_counter() - began) / count * 1e6)
    return statistics.median(rounds)
