"""The streamer of a started product, as a process that can be killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.e2e.running import Server, wait_for


def keep_streamer_away(product: Server, seconds: float) -> None:
    """Kill the streamer again and again, and wait until one stays."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # before the look: one that gets ready after it may be the one that stays
        ready = product.output.count("streamer ready")
        for pid in product.pids():
            with suppress(OSError):
                if b"streaming" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    wait_for(lambda: product.output.count("streamer ready") > ready, 60, product)


def kill_streamer(product: Server, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Kill the streamer, do something, and wait until another one has taken its place."""
    [pid] = [pid for pid in product.pids() if b"streaming" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    ready = product.output.count("streamer ready")
    os.kill(pid, signal.SIGKILL)
    meanwhile()
    wait_for(lambda: product.output.count("streamer ready") > ready, 60, product)
