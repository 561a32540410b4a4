"""Faults to plant in the engine, each of which a storm must find: the classics of systems that lose orders."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SLOW_DISK_SECONDS = 0.2
PLANTED = Path(__file__).parent / "planted"
_forgotten: set[asyncio.Future[Any]] = set()


def release_the_key() -> None:
    """Forget the key with which an order was placed: a client that got no answer and repeats it places another."""
    from engine.journal.unit import Unit

    Unit.key = lambda *_args, **_kwargs: None  # type: ignore[method-assign]


def write_after_the_answer() -> None:
    """Answer before the order is committed, to a disk that takes its time."""
    from engine.desk.desk import Desk
    from engine.journal.journal import Journal

    commit = Journal._commit

    def commit_late(journal: Journal, units: list[Any]) -> Any:
        time.sleep(SLOW_DISK_SECONDS)
        return commit(journal, units)

    async def forget(_desk: Desk, _account: Any, committed: asyncio.Future[None]) -> None:
        _forgotten.add(committed)
        committed.add_done_callback(_forgotten.discard)

    Journal._commit = commit_late  # type: ignore[method-assign, assignment]
    Desk._commit = forget  # type: ignore[method-assign, assignment]


def send_again_on_timeout() -> None:
    """Send an order once more when nobody can tell whether the exchange took it."""
    from engine.live.outcomes import Unknown
    from engine.live.trader import LiveTrader

    send = LiveTrader.send

    async def send_again(trader: LiveTrader, order: Any) -> Any:
        outcome = await send(trader, order)
        return await send(trader, order) if isinstance(outcome, Unknown) else outcome

    LiveTrader.send = send_again  # type: ignore[method-assign, assignment]


def write_after_the_send() -> None:
    """Keep the intent of a live order back until the exchange has answered."""
    from engine.journal.journal import Journal
    from engine.journal.unit import Unit

    submit = Journal.submit
    kept: dict[str, Unit] = {}

    def submit_late(journal: Journal, unit: Unit) -> asyncio.Future[None]:
        intents = [order.id for order in unit.orders.values() if order.mode == "live" and order.status == "pending_new"]
        if intents:
            kept[intents[0]] = unit
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.set_result(None)
            return done
        for order_id in list(unit.orders):
            if order_id in kept:
                submit(journal, kept.pop(order_id))
        return submit(journal, unit)

    Journal.submit = submit_late  # type: ignore[method-assign, assignment]


def take_not_found_for_failed() -> None:
    """Reject an order that the exchange does not show, at once."""
    from engine.live.absence import Absences

    Absences.is_certain = lambda *_: True  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        release_the_key,
        write_after_the_answer,
        send_again_on_timeout,
        write_after_the_send,
        take_not_found_for_failed,
    )
}


def plant(name: str) -> None:
    """Plant a mutant in this process."""
    MUTANTS[name]()
