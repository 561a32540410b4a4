"""Clients that never read and clients that never finish asking, and twenty thousand that come and go."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.load import Client, times
from benchmarks.report import Report, percentile
from benchmarks.servers import resident_bytes, sockets
from benchmarks.stream_load import come_and_go
from benchmarks.streams import PATH, Streaming, streaming_product

DEAF = 500
SLOW = 200
PATIENCE_SECONDS = 40.0
GUESTS = 20_000
EVERYTHING = "/api/stream/prices"
MEGABYTE = 1e6
_HEAD = "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"


def main() -> Report:
    """Measure and return the figures."""
    report = Report(f"Streams: {DEAF} clients that never read, {SLOW} that never finish asking, {GUESTS:,} that leave")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with streaming_product(DEMO_TICK_SECONDS="0.05") as ours:
        for port in (ours.stream_port, ours.web.port):  # so that every thread has what it keeps
            come_and_go(port, PATH, ours.tokens, 2000)
        _hostile(report, ours)
        _guests(report, ours)
    return report


def _hostile(report: Report, ours: Streaming) -> None:
    probe = Client(ours.web.port)
    calm = percentile(times(lambda: probe.ask("GET", "/health/live"), 100), 99)
    ours.channel.status()
    before, held = _memory(ours), _sockets(ours)  # with the two connections that look on
    began = time.monotonic()
    with _deaf(ours), _slow(ours):
        most, seen, closed_after, asked = 0.0, 0, None, []
        while time.monotonic() - began < PATIENCE_SECONDS and closed_after is None:
            asked += times(lambda: probe.ask("GET", "/health/live"), 5, warm_up=0)
            most = max(most, _memory(ours) - before)
            clients = sum(ours.channel.status().clients.values())
            seen = max(seen, clients)
            if seen >= DEAF * 0.9 and clients == 0:
                closed_after = time.monotonic() - began
            time.sleep(0.1)
    p99 = percentile(asked, 99)
    report.add("most of them connected at a time", seen, "clients")
    after = PATIENCE_SECONDS if closed_after is None else closed_after
    met = closed_after is not None and closed_after <= 30
    report.add("clients that never read: the last one closed after", after, "s", goal="≤ 30 s", met=met)
    report.add("memory of all processes, more than before", most / MEGABYTE, "MB", goal="≤ 64 MB", met=most <= 64e6)
    report.add("GET /health/live meanwhile, p99", p99, "ms", ratio=p99 / calm, goal="< 200 ms", met=p99 < 200)
    left = _settled(ours, held)
    report.add("sockets more than before", left, "", goal="0", met=left <= 0)


def _guests(report: Report, ours: Streaming) -> None:
    for door, port in (("own port", ours.stream_port), ("handed over", ours.web.port)):
        before, held, began = _memory(ours), _sockets(ours), time.monotonic()
        come_and_go(port, PATH, ours.tokens, GUESTS // 2)
        report.add(f"{GUESTS // 2:,} streams opened and left, {door}", time.monotonic() - began, "s")
        left, more = _settled(ours, held), (_memory(ours) - before) / MEGABYTE
        report.add("  sockets more than before", left, "", goal="0", met=left <= 0)
        report.add("  memory of all processes, more than before", more, "MB", goal="≤ 8 MB", met=more <= 8)


@contextmanager
def _deaf(ours: Streaming) -> Iterator[None]:
    """Open streams of every market, half through each door, and take nothing from them."""
    connections = []
    for number in range(DEAF):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", (ours.stream_port, ours.web.port)[number % 2]))
        token = ours.tokens[number % len(ours.tokens)]
        connection.sendall(_HEAD.format(path=EVERYTHING, token=token).encode() + b"\r\n")
        connections.append(connection)
    try:
        yield
    finally:
        for connection in connections:
            connection.close()


@contextmanager
def _slow(ours: Streaming) -> Iterator[None]:
    """Open connections, half at each door, that send a byte of their request every second."""
    over = threading.Event()
    whole = _HEAD.format(path=PATH, token="-" * 1000).encode()

    def dribble() -> None:
        connections = [
            socket.create_connection(("127.0.0.1", (ours.stream_port, ours.web.port)[number % 2]))
            for number in range(SLOW)
        ]
        for position in range(len(whole)):
            for connection in connections:
                try:
                    connection.send(whole[position : position + 1])
                except OSError:  # it was cut off, as it should be
                    continue
            if over.wait(1.0):
                break
        for connection in connections:
            connection.close()

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _memory(ours: Streaming) -> float:
    return sum(resident_bytes(pid) for pid in ours.web.pids())


def _sockets(ours: Streaming) -> int:
    return sum(sockets(pid) for pid in ours.web.pids())


def _settled(ours: Streaming, before: int) -> int:
    """Return how many sockets are left over, when connections had time to close."""
    end = time.monotonic() + 15
    while (left := _sockets(ours) - before) > 0 and time.monotonic() < end:
        time.sleep(0.2)
    return left
