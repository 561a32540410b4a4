"""Crowds of stream clients, in processes of their own, and what they received."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, count
from typing import Any

from benchmarks.servers import ROOT, processor_seconds
from benchmarks.stream_client import BIN_SECONDS

Seen = Callable[[float, float], set[int]]
LEAD_SECONDS = 0.5
_addresses = count(2)
"""Each process has a loopback address of its own: one address has too few ports for all."""


@dataclass(frozen=True)
class Received:
    """What a crowd got of the events whose moment fell into the window; times in milliseconds from that moment."""

    clients: int
    updates: int
    deliveries: int
    fewest: int
    disordered: int
    closed: int
    p50: float
    p99: float
    server_seconds: float
    crowd_seconds: float
    """Processor time of the process that writes, and of the crowd's own."""
    crowd_delay: float
    """How long a client had to wait at most until the crowd looked at it again: times are no better than that."""

    @property
    def share(self) -> float:
        """Return the share of all updates to all clients that came, in percent; ids ascend, so none counts twice."""
        return 100 * self.deliveries / (self.clients * self.updates)

    @property
    def cost(self) -> float:
        """Return the server's processor time for each delivery, in microseconds."""
        return self.server_seconds * 1e6 / self.deliveries


class Crowd:
    """Connected clients."""

    def __init__(self, processes: list[subprocess.Popen[str]], clients: int, again: int) -> None:
        self._processes = processes
        self.clients = clients
        self.again = again
        """How often a client had to come again, since it was refused (503) or cut off."""

    def measure(self, seconds: float, pid: int, seen: Seen | None = None) -> Received:
        """Count for `seconds`.

        :param pid: the process that writes to the clients.
        :param seen: returns the ids that somebody else saw between two moments; a client that lacks one lost it.
        """
        begin = time.time() + LEAD_SECONDS
        end = begin + seconds
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{begin} {end}\n")
            process.stdin.flush()
        time.sleep(max(begin - time.time(), 0))
        spent = processor_seconds(pid)
        time.sleep(max(end - time.time(), 0))
        spent = processor_seconds(pid) - spent
        parts = [_line(process) for process in self._processes]
        counts = [number for part in parts for number in part["counts"]]
        numbers = {number for part in parts for number in part["numbers"]}
        if seen is not None:
            numbers |= seen(begin, end)
        bins = [sum(column) for column in zip(*(part["bins"] for part in parts), strict=True)]
        if not numbers:
            raise RuntimeError("no update came")
        return Received(
            clients=self.clients,
            updates=len(numbers),
            deliveries=sum(counts),
            fewest=min(counts, default=0),
            disordered=sum(part["disordered"] for part in parts),
            closed=sum(part["closed"] for part in parts),
            p50=_percentile(bins, 50),
            p99=_percentile(bins, 99),
            server_seconds=spent,
            crowd_seconds=sum(part["processor_seconds"] for part in parts),
            crowd_delay=1000 * max(part["longest_turn"] for part in parts),
        )


@contextmanager
def crowd(
    port: int,
    path: str,
    tokens: Sequence[str],
    clients: int,
    *,
    kind: str = "sse",
    message: str = "",
    processes: int = 1,
) -> Iterator[Crowd]:
    """Connect `clients` and keep them until the end.

    :param message: what each WebSocket client sends first.
    :raises RuntimeError: when some are refused.
    """
    wish = {"port": port, "path": path, "kind": kind, "message": message}
    with _processes(wish, tokens, clients, processes) as (started, answers):
        connected = sum(answer["connected"] for answer in answers)
        if connected != clients:
            raise RuntimeError(f"{clients - connected} of {clients} clients did not get in: {answers}")
        yield Crowd(started, clients, sum(answer["opened"] for answer in answers) - clients)


def come_and_go(port: int, path: str, tokens: Sequence[str], times: int) -> None:
    """Connect and leave as soon as a stream has begun, so many times.

    :raises RuntimeError: when some are refused.
    """
    with _processes({"port": port, "path": path, "kind": "sse", "leaves": True}, tokens, times, 1) as (_, answers):
        if answers[0]["left"] != times:
            raise RuntimeError(f"not everybody came in: {answers}")


@contextmanager
def _processes(
    wish: dict[str, Any], tokens: Sequence[str], clients: int, number: int
) -> Iterator[tuple[list[subprocess.Popen[str]], list[dict[str, Any]]]]:
    """Start client processes and wait until their clients are connected; give them, and what they said then."""
    started: list[subprocess.Popen[str]] = []
    try:
        for each in range(number):
            own = {
                "count": clients // number + (each < clients % number),
                "address": f"127.0.0.{next(_addresses) % 250 + 2}",
                "tokens": list(tokens)[each::number],
            }
            command = [sys.executable, "-m", "benchmarks.stream_client", json.dumps({**wish, **own})]
            started.append(
                subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
        yield started, [_line(process) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("a client process ended")
    found: dict[str, Any] = json.loads(line)
    return found


def _percentile(bins: list[int], percent: float) -> float:
    """Return the upper end of the bin that holds the percentile, in milliseconds."""
    wanted = sum(bins) * percent / 100
    return next(
        ((number + 1) * BIN_SECONDS * 1000 for number, below in enumerate(accumulate(bins)) if below >= wanted),
        float("inf"),
    )
