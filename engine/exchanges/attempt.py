"""What is known of one request to an exchange: did it leave, and what came back?

An error says too little: a connection that was refused and one that broke after the order had been taken look the
same to whoever called. `noting()` collects what the ccxt client sees on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Attempt:
    """One request that changes something (`sent`: its bytes may have left this machine), or the reads around it.

    `status` is the HTTP status of its answer, None without one; `readable` tells whether that was JSON, and
    `retry_after` how many seconds it asked to wait. One that is `urgent` does not queue behind what is read. It leaves
    with the API key `key` or not at all; None: with whatever the client has.
    """

    urgent: bool = False
    key: str | None = None
    sent: bool = False
    status: int | None = None
    readable: bool = False
    retry_after: float | None = None


_current: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


@contextmanager
def noting(*, urgent: bool = False, key: str | None = None) -> Iterator[Attempt]:
    """Collect what happens to the requests made inside, by this task; see `Attempt`."""
    attempt = Attempt(urgent=urgent, key=key)
    token = _current.set(attempt)
    try:
        yield attempt
    finally:
        _current.reset(token)


def current() -> Attempt | None:
    """Return what is being collected for the running task."""
    return _current.get()
