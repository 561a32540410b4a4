"""Faults to plant in the engine, each of which a storm must find: the classics of systems that lose orders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLANTED = Path(__file__).parent / "planted"
_forgotten: set[asyncio.Future[Any]] = set()


def release_the_key() -> None:
    """Forget the key with which an order was placed: a client that got no answer and repeats it places another."""
    from engine.unit import Unit

    Unit.key = lambda *_args, **_kwargs: None  # type: ignore[method-assign]


def write_after_the_answer() -> None:
    """Answer before the order is committed."""
    from engine.desk import Desk

    async def forget(_desk: Desk, _account: Any, committed: asyncio.Future[None]) -> None:
        _forgotten.add(committed)
        committed.add_done_callback(_forgotten.discard)

    Desk._commit = forget  # type: ignore[method-assign, assignment]


MUTANTS: dict[str, Callable[[], None]] = {
    function.__name__: function for function in (release_the_key, write_after_the_answer)
}


def plant(name: str) -> None:
    """Plant a mutant in this process."""
    MUTANTS[name]()
