"""The killer: SIGKILL for a random process, every so often, and now and then for all of them."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.e2e.running import Server

PAUSES = (0.4, 2.4)
"""Seconds between two kills; an engine needs about two to get up."""


class Killer:
    """Kill processes of the server until `stop` is set, at least `kills` times."""

    def __init__(self, start: Callable[[], Server], seed: int, kills: int) -> None:
        self._start = start
        self._chance = random.Random(f"killer {seed}")
        self._kills = kills
        self.server = start().wait_ready(60)
        self.killed: Counter[str] = Counter()
        self.enough = threading.Event()

    @property
    def address(self) -> str:
        """Return where the server is now."""
        return self.server.address

    def run(self, stop: threading.Event) -> None:
        """Kill until told to stop. :raises AssertionError: the server did not come back."""
        try:
            self._run(stop)
        finally:
            self.enough.set()  # nobody waits for a killer that failed

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._chance.uniform(*PAUSES)):
            if self._chance.random() < 0.06:
                self._kill_everything()
            else:
                self._kill_one()
            if sum(self.killed.values()) >= self._kills:
                self.enough.set()

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


def _part(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    line = b" ".join(words)
    if b"engine" in words:
        return "engine"
    return "web" if b"gunicorn" in line else "other"
