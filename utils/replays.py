"""Tell whoever answers, from where idempotency keys are looked up, that the outcome is that of an earlier request.

It is kept beside the call, not in what is answered: a repetition is answered with the very message, or the very error,
of the first one.
"""

from __future__ import annotations

from contextvars import ContextVar

_replayed: ContextVar[bool] = ContextVar("replayed", default=False)


def begin() -> None:
    """Begin a request, of which nothing is known yet; a thread answers many, one after the other."""
    _replayed.set(False)


def mark() -> None:
    """Say that the key of the present request had come before."""
    _replayed.set(True)


def is_marked() -> bool:
    """Tell whether the key of the present request had come before."""
    return _replayed.get()
