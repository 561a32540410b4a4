"""Ten thousand clients with ten updates a second, through both doors, beside a bare writer and FastAPI.

`BENCH_STREAM_CLIENTS` says how many, where a machine cannot carry so many.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.report import Report
from benchmarks.servers import Running, bare_stream, fastapi_stream, resident_bytes
from benchmarks.stream_load import Received, come_and_go, crowd
from benchmarks.streams import PATH, SOCKET_PATH, SUBSCRIBE, TICK_SECONDS, Observer, Streaming, streaming_product

CLIENTS = int(os.environ.get("BENCH_STREAM_CLIENTS", "10000"))
FASTAPI_CLIENTS = min(CLIENTS, 2000)
"""It does not hold more."""

SECONDS = 8.0


def main() -> Report:
    """Measure and return the figures."""
    report = Report(f"Streams: {CLIENTS:,} clients, 10 updates a second each, one process")
    report.notes.append("Times are from the moment of a price to its arrival at a client; the clients run beside it.")
    report.notes.append(
        "A delivery is missing when a client did not get an id that the engine published. Ratios are to"
    )
    report.notes.append("the processor time of a bare uvloop writer of the same bytes to as many clients.")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        with bare_stream(Path(name)) as server:
            bare = _baseline(report, "bare uvloop writer", server, CLIENTS, None)
        for what, path, is_handed_over in (
            ("SSE, own port", PATH, False),
            ("SSE, handed over", PATH, True),
            ("WebSocket, own port", SOCKET_PATH, False),
        ):
            with streaming_product() as ours:  # each its own: memory that one has left would be the next one's
                port = ours.web.port if is_handed_over else ours.stream_port
                _ours(report, what, ours, bare, port=port, path=path)
        with fastapi_stream(Path(name)) as server:
            _baseline(report, f"FastAPI and uvicorn, {FASTAPI_CLIENTS:,} clients", server, FASTAPI_CLIENTS, bare)
    return report


def _baseline(report: Report, what: str, server: Running, clients: int, bare: Received | None) -> Received:
    before = resident_bytes(server.pid)
    with crowd(server.port, "/stream", ["-"], clients) as connected:
        each = (resident_bytes(server.pid) - before) / clients
        received = connected.measure(SECONDS, server.pid)
    # it leaves out what it is late for, as the product does: what was due counts, not what it made
    received = replace(received, updates=max(received.updates, round(SECONDS / TICK_SECONDS)))
    _add(report, what, received, each, bare, goals=False)
    return received


def _ours(report: Report, what: str, ours: Streaming, bare: Received, *, port: int, path: str) -> None:
    observer = Observer(ours.bridge)
    come_and_go(port, PATH, ours.tokens, 500)  # so that memory is the clients' alone
    before = resident_bytes(ours.streamer)
    kind, message = ("websocket", SUBSCRIBE) if path == SOCKET_PATH else ("sse", "")
    with crowd(port, path, ours.tokens, CLIENTS, kind=kind, message=message) as connected:
        each = (resident_bytes(ours.streamer) - before) / CLIENTS
        received = connected.measure(SECONDS, ours.streamer, observer.seen)
    if connected.again:
        report.notes.append(f"{what}: clients had to come {connected.again} times again until all were in.")
    _add(report, what, received, each, bare, goals=kind == "sse")


def _add(report: Report, what: str, received: Received, each: float, bare: Received | None, *, goals: bool) -> None:
    if received.disordered:
        raise RuntimeError(f"{what}: {received.disordered} events came twice or out of order")
    whole = received.share == 100
    report.add(f"{what}: delivered", received.share, "%", goal="100 %" if goals else "", met=whole if goals else None)
    report.add("  p50", received.p50, "ms")
    on_time = received.p99 <= 100
    report.add("  p99", received.p99, "ms", goal="≤ 100 ms" if goals else "", met=on_time if goals else None)
    ratio = None if bare is None else received.cost / bare.cost
    met = None if ratio is None or not goals else ratio <= 1.15
    goal = "≤ 1.15 of bare" if goals else ""
    report.add("  processor time for each delivery", received.cost, "µs", ratio=ratio, goal=goal, met=met)
    report.add("  the clients' own delay, at most", received.crowd_delay, "ms")
    report.add("  of one core", 100 * received.server_seconds / SECONDS, "%")
    report.add("  memory for each client", each / 1024, "KiB")
