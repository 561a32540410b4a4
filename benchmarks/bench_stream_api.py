"""Streams and the API beside each other: what 2,000 clients notice of requests, and requests of 2,000 clients."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.load import Load, latencies
from benchmarks.report import Report
from benchmarks.servers import bare, bare_stream
from benchmarks.stream_load import Crowd, Received, Seen, crowd
from benchmarks.streams import PATH, Observer, streaming_product

CLIENTS = 2000
CONNECTIONS = 4
SECONDS = 8
TICKER = "/api/market/ticker/BTC-USDT"


def main() -> Report:
    """Measure and return the figures."""
    report = Report(f"{CLIENTS:,} SSE clients, 10 updates a second each, and the API beside them")
    if shutil.which("wrk") is None:
        report.notes.append("Not measured: wrk is not installed.")
        return report
    report.notes.append(
        "Ratios of streams are to a bare uvloop writer beside a bare Flask route, which share the machine alike."
    )
    report.notes.append(f"Requests: by wrk, {CONNECTIONS} connections, as fast as they are answered.")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        bare(Path(name)) as flask,
        bare_stream(Path(name) / "writer") as writer,
    ):
        alone = _ask(flask.port, "/bare")
        _requests(report, "bare Flask GET, no streams", alone, None)
        with crowd(writer.port, "/stream", ["-"], CLIENTS) as connected:
            floor, beside = _together(connected, writer.pid, lambda: _ask(flask.port, "/bare"))
        report.add("bare uvloop writer beside them: p99", floor.p99, "ms")
        _requests(report, "bare Flask GET beside it", beside, alone)
    with streaming_product() as ours:
        alone = _ask(ours.web.port, TICKER, ours.tokens[0])
        _requests(report, "GET ticker, no streams", alone, None)
        with crowd(ours.web.port, PATH, ours.tokens, CLIENTS) as connected:
            ask = partial(_ask, ours.web.port, TICKER, ours.tokens[0])
            received, beside = _together(connected, ours.streamer, ask, Observer(ours.bridge).seen)
    report.add("streams beside them: delivered", received.share, "%", goal="100 %", met=received.share == 100)
    report.add("  p50", received.p50, "ms")
    report.add("  p99", received.p99, "ms", ratio=received.p99 / floor.p99, goal="≤ 40 ms", met=received.p99 <= 40)
    _requests(report, "GET ticker beside streams", beside, alone)
    return report


def _together(connected: Crowd, pid: int, ask: Callable[[], Load], seen: Seen | None = None) -> tuple[Received, Load]:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        return connected.measure(SECONDS - 1, pid, seen), asked.result()


def _ask(port: int, path: str, token: str = "") -> Load:
    return latencies(port, path, token, seconds=SECONDS, connections=CONNECTIONS)


def _requests(report: Report, what: str, load: Load, alone: Load | None) -> None:
    report.add(what, load.rate, "req/s", ratio=None if alone is None else load.rate / alone.rate)
    report.add("  p50", load.p50, "ms")
    report.add("  p99", load.p99, "ms", ratio=None if alone is None else load.p99 / alone.p99)
