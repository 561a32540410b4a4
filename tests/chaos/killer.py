"""The killer: SIGKILL for a random process, every so often, and now and then for all of them."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.e2e.running import Server

PAUSES = (0.0, 1.5)
"""Seconds before a kill that is due."""
MERCY = 0.7
"""How often a kill waits until everything is up again; the others strike in the middle of a start."""
UP_WITHIN_SECONDS = 45.0


class Killer:
    """Kill processes of the server `kills` times, spread over the storm."""

    def __init__(self, start: Callable[[], Server], seed: int, kills: int, progress: Callable[[], float]) -> None:
        self._start = start
        self._chance = random.Random(f"killer {seed}")
        self._kills = kills
        self._progress = progress
        self.server = start().wait_ready()
        self.killed: Counter[str] = Counter()
        self.enough = threading.Event()

    @property
    def address(self) -> str:
        """Return where the server is now."""
        return self.server.address

    def run(self, stop: threading.Event) -> None:
        """Kill until told to stop, or often enough. :raises AssertionError: the server did not come back."""
        try:
            while not stop.is_set() and (done := sum(self.killed.values())) < self._kills:
                if self._progress() < done / self._kills:
                    stop.wait(0.05)
                else:
                    self._kill(stop)
        finally:
            self.enough.set()  # nobody waits for a killer that failed

    def _kill(self, stop: threading.Event) -> None:
        if self._chance.random() < MERCY:
            self._wait_until_up(stop)
        stop.wait(self._chance.uniform(*PAUSES))
        if self._chance.random() < 0.06:
            self._kill_everything()
        else:
            self._kill_one()

    def _wait_until_up(self, stop: threading.Event) -> None:
        end = time.monotonic() + UP_WITHIN_SECONDS
        while not is_ready(self.server) and time.monotonic() < end and not stop.wait(0.1):
            pass

    def _kill_one(self) -> None:
        parts = {pid: _part(pid) for pid in self.server.pids() - {self.server.process.pid}}
        kinds = sorted({kind for kind in parts.values() if kind})
        if kinds:
            # by kind first: there are many workers and one engine
            kind = self._chance.choice(kinds)
            pid = self._chance.choice(sorted(pid for pid, found in parts.items() if found == kind))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed[kind] += 1

    def _kill_everything(self) -> None:
        self.server.end()
        self.killed["everything"] += 1
        self.server = self._start().wait_ready(120)


def is_ready(server: Server) -> bool:
    """Tell whether all parts of a server are up."""
    try:
        return server.get("/health/ready", timeout=10) != ""
    except OSError:
        return False


def _part(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    line = b" ".join(words)
    for word, kind in ((b"engine", "engine"), (b"streaming", "streamer"), (b"worker", "worker")):
        if word in words:
            return kind
    return "web" if b"gunicorn" in line else "other"
