"""Crowds of stream clients, in processes of their own, and what they received."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, count
from typing import Any

from benchmarks.servers import ROOT, processor_seconds
from benchmarks.stream_client import BIN_SECONDS

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

    def __init__(self, processes: list[subprocess.Popen[str]], clients: int) -> None:
        self._processes = processes
        self.clients = clients

    def measure(self, seconds: float, pid: int, expected: set[int] | None = None) -> Received:
        """Count for `seconds`.

        :param pid: the process that writes to the clients.
        :param expected: ids that an observer saw, filled until this returns; those that the crowd saw count as well.
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
        numbers = {number for part in parts for number in part["numbers"]} | (expected or set())
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
    started: list[subprocess.Popen[str]] = []
    try:
        for number in range(processes):
            share = clients // processes + (number < clients % processes)
            wish = {
                "port": port,
                "path": path,
                "kind": kind,
                "message": message,
                "count": share,
                "address": f"127.0.0.{next(_addresses) % 250 + 2}",
                "tokens": list(tokens)[number::processes],
            }
            command = [sys.executable, "-m", "benchmarks.stream_client", json.dumps(wish)]
            started.append(
                subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            )
        answers = [_line(process) for process in started]
        connected = sum(answer["connected"] for answer in answers)
        if connected != clients:
            raise RuntimeError(f"{clients - connected} of {clients} clients were refused: {answers}")
        yield Crowd(started, clients)
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
