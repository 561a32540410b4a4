"""What the processes of an installation have in common: there is one of each kind, and it ends when it is told to."""

from __future__ import annotations

import fcntl
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from utils import lifeline


def take(directory: Path, name: str) -> TextIO | None:
    """Take a data directory for this process of the kind `name`; None when another one has it.

    It is let go of when the file is closed, and by the system, however the process ends. What the last one has written
    into the file is still there.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    # not "w": that would empty the file of the one who has it
    file = (directory / f"{name}.lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def at_end(stop: Callable[[], object]) -> None:
    """Call `stop`, which must come back at once, when this process is to end; to be called on the main thread.

    A supervised process ends when its supervisor lets go of it, or is gone: a signal to the whole group must not
    overtake the order in which the parts are stopped. Any other ends at SIGTERM and SIGINT.
    """
    supervised = lifeline.watch(stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN if supervised else lambda *_: stop())
