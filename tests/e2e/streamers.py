"""The streamer of a started product, as a process that can be killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.e2e.running import Server, wait_for


def kill_streamer(product: Server, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Kill the streamer, do something, and wait until another one has taken its place."""
    [pid] = [pid for pid in product.pids() if b"streaming" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    ready = product.output.count("streamer ready")
    os.kill(pid, signal.SIGKILL)
    meanwhile()
    wait_for(lambda: product.output.count("streamer ready") > ready, 20, product)
