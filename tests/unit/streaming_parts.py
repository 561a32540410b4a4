"""Transports and callers for tests of the streamer's parts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from streaming.client import Client, Following
from streaming.events import Event
from streaming.hub import Hub
from utils.follow import Caller


class Pipe(asyncio.Transport):
    """A transport whose other end reads when the test says so; `limit` bytes fit before it is full."""

    def __init__(self, limit: int = 10**9) -> None:
        super().__init__()
        self.limit = limit
        self.unread = 0
        self.written: list[bytes] = []
        self.client: Client | None = None
        self.is_aborted = False
        self.is_closed = False

    def write(self, data: Any) -> None:
        assert not self.is_aborted
        self.written.append(data)
        self.unread += len(data)
        if self.client is not None and self.unread > self.limit and not self.client.is_paused:
            self.client.pause_writing()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        for each in list_of_data:
            self.write(each)

    def read_all(self) -> None:
        self.unread = 0
        if self.client is not None and self.client.is_paused:
            self.client.resume_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_extra_info(self, name: Any, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.is_closed or self.is_aborted

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def take(self) -> bytes:
        """Return what was written since the last time."""
        written = b"".join(self.written)
        self.written.clear()
        return written


class Listener(Client):
    """A client of server-sent events without HTTP."""

    kind = "sse"

    def __init__(self, hub: Hub, user: str = "ada", session: str = "s", expires_at: float | None = None) -> None:
        super().__init__(hub, Caller(user_id=user, session_id=session, expires_at=expires_at))
        self.pipe = Pipe()
        self.following: Following | None = None
        self.refused: Any = None
        self.codes: list[int] = []

    def connect(self, limit: int = 10**9) -> Listener:
        self.pipe = Pipe(limit)
        self.pipe.client = self
        self.connection_made(self.pipe)
        return self

    def follow(self, following: Following) -> None:
        self.following = following
        following.begin()

    def open(self) -> None:
        pass

    def refuse(self, error: Any) -> None:
        self.refused = error

    def followings(self) -> Sequence[Following]:
        return () if self.following is None else (self.following,)

    def send(self, events: Sequence[Event]) -> None:
        self.transport.writelines([event.sse for event in events])

    def mark(self, id: int) -> None:
        self.transport.write(b"mark %d\n\n" % id)

    def beat(self) -> None:
        self.transport.write(b": heartbeat\n\n")

    def farewell(self, code: int) -> None:
        self.codes.append(code)
        self.transport.close()
