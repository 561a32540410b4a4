"""The price stream: a bounded buffer of events to resume from, and subscribers that cannot fall behind."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator

from utils.wire import Price, StreamEvent

BUFFERED = 10_000
MOST_PENDING = 1000
"""How many events a subscriber may be behind before the newest price of each symbol stands for those before it: more
than come while a streamer that has been restarted reads the history."""


class PriceStream:
    """Number price events and fan them out. Ids start from the clock's microseconds, so they grow over restarts."""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange
        self._last_id = time.time_ns() // 1000
        self._buffer: deque[StreamEvent] = deque(maxlen=BUFFERED)
        self._latest: dict[str, StreamEvent] = {}
        self._subscribers: set[_Subscriber] = set()

    def publish(self, prices: list[Price]) -> None:
        """Give every price an id and pass it on."""
        for price in prices:
            self._last_id += 1
            event = StreamEvent(id=self._last_id, event="price", payload=price)
            self._buffer.append(event)
            self._latest[price.symbol] = event
            for subscriber in self._subscribers:
                subscriber.offer(price.symbol, event)

    async def subscribe(
        self, symbols: list[str] | None, since_id: int | None, heartbeat: float, *, history: bool = False
    ) -> AsyncGenerator[StreamEvent | None]:
        """Yield what was missed since `since_id` (or a snapshot), then events as they come; None when all is quiet.

        A `reset` event comes first when the buffer no longer reaches back to `since_id`. With `history` all that is
        kept comes first, and None after it. A subscriber that falls far behind gets the newest price of each symbol
        instead of every one.
        """
        wanted = None if symbols is None else frozenset(symbols)
        subscriber = _Subscriber(wanted)
        self._subscribers.add(subscriber)
        try:
            backlog = _only(list(self._buffer), wanted) if history else self._backlog(wanted, since_id)
            for event in backlog:
                yield event
            if history or not backlog:
                yield None  # the first frame comes at once, and the end of the history is told
            while True:
                try:
                    async with asyncio.timeout(heartbeat):
                        await subscriber.ready.wait()
                except TimeoutError:
                    yield None
                    continue
                for event in subscriber.take():
                    yield event
        finally:
            self._subscribers.discard(subscriber)

    def _backlog(self, wanted: frozenset[str] | None, since_id: int | None) -> list[StreamEvent]:
        snapshot = sorted(self._latest.values(), key=lambda event: event.id)
        if since_id is None:
            events = snapshot
        elif self._buffer and self._buffer[0].id - 1 <= since_id <= self._last_id:
            events = [event for event in self._buffer if event.id > since_id]
        else:
            reset_id = snapshot[0].id - 1 if snapshot else self._last_id
            return [StreamEvent(id=reset_id, event="reset"), *_only(snapshot, wanted)]
        return _only(events, wanted)


class _Subscriber:
    """The events that a subscriber has not taken yet; of one that is far behind only the newest of each symbol."""

    def __init__(self, wanted: frozenset[str] | None) -> None:
        self.ready = asyncio.Event()
        self._wanted = wanted
        self._pending: list[StreamEvent] = []
        self._most = MOST_PENDING

    def offer(self, symbol: str, event: StreamEvent) -> None:
        if self._wanted is None or symbol in self._wanted:
            self._pending.append(event)
            if len(self._pending) > self._most:
                self._thin()
            self.ready.set()

    def take(self) -> list[StreamEvent]:
        events, self._pending = self._pending, []
        self._most = MOST_PENDING
        self.ready.clear()
        return events

    def _thin(self) -> None:
        newest = {event.payload.symbol: event for event in self._pending if event.payload is not None}
        self._pending = sorted(newest.values(), key=lambda event: event.id)
        # an exchange may have more markets than that: not again for every single event
        self._most = max(MOST_PENDING, 2 * len(newest))


def _only(events: list[StreamEvent], wanted: frozenset[str] | None) -> list[StreamEvent]:
    return [
        event for event in events if wanted is None or (event.payload is not None and event.payload.symbol in wanted)
    ]
