"""Account events on their way out: what was committed, told to subscribers in the order of the commits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import batched
from typing import Any

from utils import wire

_log = logging.getLogger(__name__)
EVENTS_PER_FRAME = 500
BUFFER_BYTES = 32 * 2**20
"""What may wait for one subscriber; a day of a busy user, or a few seconds of ten thousand."""

NO_EVENTS = wire.encode_account_events([])


class AccountEvents:
    """Pass committed events on.

    The journal's thread publishes; subscriptions live on the event loop. A subscriber is taken in before its first
    frame is sent, so whatever is committed later finds it.
    """

    def __init__(self, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._buffer_bytes = buffer_bytes
        self._subscribers: set[_Subscriber] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.listeners: list[Callable[[list[dict[str, Any]]], None]] = []
        """Parts of the engine that are told first, on the thread that publishes."""

    def publish(self, rows: list[dict[str, Any]]) -> None:
        """Tell subscribers of `rows` of the table `events`, which are committed; to be called on one thread alone."""
        for listener in self.listeners:
            listener(rows)
        if not rows or not self._subscribers or self._loop is None or self._loop.is_closed():
            return
        frames = [wire.encode_account_events(list(map(_event, part))) for part in batched(rows, EVENTS_PER_FRAME)]
        self._loop.call_soon_threadsafe(self._offer, frames)

    async def subscribe(self, heartbeat: float) -> AsyncGenerator[bytes | None]:
        """Yield an empty frame at once, then the frames of what is committed; None after `heartbeat` silent seconds.

        Ends when more waits than the buffer holds.
        """
        self._loop = asyncio.get_running_loop()
        subscriber = _Subscriber(self._buffer_bytes)
        self._subscribers.add(subscriber)
        try:
            yield NO_EVENTS
            while not subscriber.is_cut:
                try:
                    async with asyncio.timeout(heartbeat):
                        await subscriber.ready.wait()
                except TimeoutError:
                    yield None
                    continue
                for frame in subscriber.take():
                    yield frame
            _log.warning("a subscriber of account events was cut: it is too slow")
        finally:
            self._subscribers.discard(subscriber)

    def _offer(self, frames: list[bytes]) -> None:
        for subscriber in self._subscribers:
            for frame in frames:
                subscriber.offer(frame)


class _Subscriber:
    """The frames that a subscriber has not taken yet; none any more once they were too many."""

    def __init__(self, limit: int) -> None:
        self.ready = asyncio.Event()
        self.is_cut = False
        self._limit = limit
        self._frames: deque[bytes] = deque()
        self._size = 0

    def offer(self, frame: bytes) -> None:
        if self.is_cut:
            return
        self._frames.append(frame)
        self._size += len(frame)
        if self._size > self._limit:
            self.is_cut = True
            self._frames.clear()
        self.ready.set()

    def take(self) -> Iterator[bytes]:
        """Yield frame by frame, so that what is not taken yet still counts."""
        while self._frames:
            frame = self._frames.popleft()
            self._size -= len(frame)
            yield frame
        if not self.is_cut:
            self.ready.clear()


def _event(row: dict[str, Any]) -> wire.AccountEvent:
    return wire.AccountEvent(
        user_id=row["user_id"],
        id=row["id"],
        account=row["account_id"],
        type=row["type"],
        created_at=row["created_at"],
        payload=row["payload"].encode(),
    )
