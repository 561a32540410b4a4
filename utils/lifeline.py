"""The lifeline: a pipe whose other end the supervisor holds, so that no part outlives it, however it ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

VARIABLE = "LIFELINE_FD"
"""Names the descriptor of the pipe's reading end in a supervised process."""


def watch(callback: Callable[[], object]) -> bool:
    """Call `callback` (on a thread of its own) once the supervisor is gone or lets go of this process.

    Return whether there is a lifeline; without one nobody supervises this process.
    """
    descriptor = _descriptor()
    if descriptor is None:
        return False
    threading.Thread(target=_wait, args=(descriptor, callback), name="lifeline", daemon=True).start()
    return True


def _descriptor() -> int | None:
    text = os.environ.get(VARIABLE, "")
    if not text.isdigit():
        return None
    try:
        os.fstat(int(text))
    except OSError:  # inherited the variable, but not the pipe
        return None
    return int(text)


def _wait(descriptor: int, callback: Callable[[], object]) -> None:
    while os.read(descriptor, 1):
        pass
    callback()
