"""Price streams: subscriptions that outlive the engine, and how many a process may have at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import cast

from services.market import DEFAULT_EXCHANGE
from utils import drain
from utils.errors import EngineUnavailable, Overloaded, TradingError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import StreamEvent, Subscribe

PULSE_SECONDS = 2.5
"""How often at least a stream looks around: two pulses without a look would be five seconds."""

FIRST_BACKOFF_SECONDS = 0.25
RETRY_AFTER = 5


class Prices:
    """Follow prices, with at most `slots` streams at once: each one holds a thread of the server."""

    def __init__(
        self,
        bridge: OctoBotBridge,
        slots: int,
        *,
        stopping: threading.Event = drain.stopping,
        pulse: float = PULSE_SECONDS,
    ) -> None:
        self._bridge = bridge
        self._pulse = pulse
        self._slots = threading.BoundedSemaphore(slots)
        # once set, every stream ends at its next event or pulse
        self._stopping = stopping

    def take_slot(self) -> Callable[[], None]:
        """Take a slot and return what gives it back; calling that more than once does no harm.

        :raises Overloaded: `streams_exhausted` when all are taken.
        """
        if not self._slots.acquire(blocking=False):
            raise Overloaded(
                "This server has all the streams open it can carry.", code="streams_exhausted", retry_after=RETRY_AFTER
            )
        taken = iter([self._slots.release])

        def release() -> None:
            # servers may close a response twice; of all callers one gets it
            for give_back in taken:
                give_back()

        return release

    def follow(
        self, symbols: list[str] | None, since_id: int | None, check: Callable[[], object]
    ) -> Generator[StreamEvent | None]:
        """Return the price events of `symbols` after `since_id`, and None at every pulse in which there was none.

        Reconnects when the engine goes away and goes on after the last event that was yielded. Ends when `check`,
        which is asked at least every two pulses, raises a `TradingError`.

        :raises EngineUnavailable: when the engine is away already. :raises NotFound: for a symbol that does not exist.
        """
        self._bridge.tickers(DEFAULT_EXCHANGE, symbols)
        return self._follow(symbols, since_id, check)

    def _follow(
        self, symbols: list[str] | None, last_id: int | None, check: Callable[[], object]
    ) -> Generator[StreamEvent | None]:
        backoff = FIRST_BACKOFF_SECONDS
        checked = time.monotonic()
        while not self._stopping.is_set():
            with closing(self._events(symbols, last_id)) as events:
                for event in events:
                    if event is not None:
                        last_id, backoff = event.id, FIRST_BACKOFF_SECONDS
                    yield event
                    if time.monotonic() - checked >= self._pulse:
                        if not _holds(check):
                            return
                        checked = time.monotonic()
                    if self._stopping.is_set():
                        return
            # the engine is away; what it says after coming back follows on the last event
            yield None
            self._stopping.wait(backoff)
            backoff = min(backoff * 2, self._pulse)
            if not _holds(check):
                return

    def _events(self, symbols: list[str] | None, last_id: int | None) -> Generator[StreamEvent | None]:
        """Yield the events of one subscription until the engine goes away."""
        query = Subscribe(exchange=DEFAULT_EXCHANGE, symbols=symbols, since_id=last_id, heartbeat=self._pulse)
        try:
            with closing(cast(Generator[StreamEvent | None], self._bridge.subscribe(query))) as events:
                yield from events
        except EngineUnavailable:
            return


def _holds(check: Callable[[], object]) -> bool:
    try:
        check()
    except TradingError:
        return False
    return True
