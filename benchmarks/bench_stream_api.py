"""Streams and the API beside each other: what 2,000 clients notice of requests, and requests of 2,000 clients."""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.load import Load, latencies
from benchmarks.report import Report
from benchmarks.servers import bare
from benchmarks.stream_load import crowd
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
    report.notes.append(f"Requests: GET ticker by wrk, {CONNECTIONS} connections, as fast as they are answered.")
    with tempfile.TemporaryDirectory(prefix="bench-") as name, bare(Path(name)) as baseline:
        _requests(report, "bare Flask GET, no streams", latencies(baseline.port, "/bare", **_LOAD), None)
    with streaming_product() as ours:
        observer = Observer(ours.bridge)
        alone = latencies(ours.web.port, TICKER, ours.tokens[0], **_LOAD)
        _requests(report, "GET ticker, no streams", alone, None)
        with crowd(ours.web.port, PATH, ours.tokens, CLIENTS) as connected, ThreadPoolExecutor(1) as pool:
            quiet = connected.measure(SECONDS / 2, ours.streamer, observer.seen)
            report.add("streams without requests: p99", quiet.p99, "ms")
        with crowd(ours.web.port, PATH, ours.tokens, CLIENTS) as connected, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(latencies, ours.web.port, TICKER, ours.tokens[0], **_LOAD)
            received = connected.measure(SECONDS - 1, ours.streamer, observer.seen)
            beside = asked.result()
    report.add("streams beside requests: delivered", received.share, "%", goal="100 %", met=received.share == 100)
    report.add("  p50", received.p50, "ms")
    report.add("  p99", received.p99, "ms", ratio=received.p99 / quiet.p99, goal="≤ 40 ms", met=received.p99 <= 40)
    _requests(report, "GET ticker beside streams", beside, alone)
    return report


_LOAD = {"seconds": SECONDS, "connections": CONNECTIONS}


def _requests(report: Report, what: str, load: Load, alone: Load | None) -> None:
    report.add(what, load.rate, "req/s", ratio=None if alone is None else load.rate / alone.rate)
    report.add("  p50", load.p50, "ms")
    report.add("  p99", load.p99, "ms", ratio=None if alone is None else load.p99 / alone.p99)
