"""Price streams: subscriptions that outlive the engine, and how many a process may have at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from typing import cast

from services.market import DEFAULT_EXCHANGE
from services.principals import Principal
from utils import drain
from utils.errors import EngineUnavailable, Overloaded, TradingError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import StreamEvent, Subscribe

PULSE_SECONDS = 2.5
"""How often at least a stream looks around: two pulses without a look would be five seconds."""

FIRST_BACKOFF_SECONDS = 0.25
RETRY_AFTER = 5


class Prices:
    """Follow prices, with at most `slots` streams at once, each of which holds a thread of the server.

    Nobody may hold more than half of them.
    """

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
        self._slots = slots
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()
        # once set, every stream ends at its next event or pulse
        self._stopping = stopping

    def take_slot(self, principal: Principal) -> Callable[[], None]:
        """Take a slot and return what gives it back; calling that more than once does no harm.

        :raises Overloaded: `too_many_streams` when the caller has their share, `streams_exhausted` when all are taken.
        """
        user = principal.user_id
        with self._lock:
            if self._taken[user] >= max(self._slots // 2, 1):
                raise _overloaded("too_many_streams", "You have as many streams open as one user may have.")
            if self._taken.total() >= self._slots:
                raise _overloaded("streams_exhausted", "This server has all the streams open it can carry.")
            self._taken[user] += 1
        taken = iter([user])

        def release() -> None:
            # servers may close a response twice; of all callers one gets it
            for holder in taken:
                with self._lock:
                    self._taken -= Counter([holder])

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


def _overloaded(code: str, detail: str) -> Overloaded:
    return Overloaded(detail, code=code, retry_after=RETRY_AFTER)


def _holds(check: Callable[[], object]) -> bool:
    try:
        check()
    except TradingError:
        return False
    return True
