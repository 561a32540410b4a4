"""Decisions on a thread of their own, with a deadline: a strategy that never ends must not hold up the engine."""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from utils.errors import (
    EngineTimeout,
    EngineUnavailable,
    ExchangeUnavailable,
    NotReady,
    Overloaded,
    StorageUnavailable,
    TradingError,
)

DECISION_SECONDS = 5.0
"""How long a strategy may think. It sees everything it needs at once, so milliseconds are usual."""

PASSING = (StorageUnavailable, EngineUnavailable, EngineTimeout, ExchangeUnavailable, NotReady, Overloaded)
"""Errors that say nothing of the strategy: it tries again."""


class StrategyFault(TradingError):
    """The strategy itself failed, and says how."""

    code = "strategy_failed"


class Interrupted(BaseException):
    """Raised in the midst of a decision that takes too long; no `except Exception` of a strategy catches it."""


async def think[Step](decide: Callable[..., Iterable[Step]], *given: Any) -> list[Step]:
    """Return what `decide` yields.

    :raises StrategyFault: it raised, or took longer than `DECISION_SECONDS` (`strategy_blocked`).
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[list[Step]] = loop.create_future()

    def tell(steps: list[Step] | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is None:
            outcome.set_result(steps or [])
        else:
            outcome.set_exception(StrategyFault(f"{type(error).__name__}: {error}"))

    def run() -> None:
        steps, error = None, None
        try:
            steps = list(decide(*given))
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the engine has ended meanwhile
            loop.call_soon_threadsafe(tell, steps, error)

    # a daemon, and not one of a pool: one that hangs must keep neither others nor the process's end waiting
    thread = threading.Thread(target=run, name="strategy", daemon=True)
    thread.start()
    try:
        return await asyncio.wait_for(outcome, DECISION_SECONDS)
    except TimeoutError:
        _interrupt(thread)
        detail = f"It took longer than {DECISION_SECONDS:g} seconds to decide."
        raise StrategyFault(detail, code="strategy_blocked") from None


def _interrupt(thread: threading.Thread) -> None:
    """Let a thread that runs Python end at its next step; one that waits for the system ends when that returns."""
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupted))
