"""A client's connection: its buffer is bounded, and nothing waits for it."""

from __future__ import annotations

import asyncio
import socket
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

from streaming.events import Event
from utils.errors import TradingError
from utils.follow import Caller

if TYPE_CHECKING:
    from streaming.hub import Hub

BUFFER_BYTES = 32 * 1024
"""What this process keeps for a client that is slower than its events."""

SEND_BUFFER_BYTES = 64 * 1024
"""What the system keeps for it: its own choice would swallow megabytes before anything is noticed."""

USER_TIMEOUT_MS = 20_000
CLOSE_SECONDS = 2.0
"""How long a connection may take to close after the last word."""

_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it


class Following(Protocol):
    """What a client follows, and how far it has come."""

    def begin(self) -> None:
        """Write what was missed, then what happens."""

    def pause(self) -> None:
        """Write nothing: the client's buffer is full."""

    def resume(self) -> None:
        """Make up for the pause and go on."""

    def end(self) -> None:
        """Write nothing any more."""


class Client(asyncio.Protocol):
    """One connection after its credentials and its wish were found good."""

    __slots__ = ("caller", "closing", "hub", "is_paused", "slot", "transport")
    is_socket = False
    kind = ""

    def __init__(self, hub: Hub, caller: Caller) -> None:
        self.hub = hub
        self.caller = caller
        self.is_paused = False
        self.closing = False
        self.slot = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection over, unless there are too many."""
        # uvloop's transports are not registered as asyncio.Transport, so this cannot be checked
        self.transport = cast(asyncio.Transport, transport)
        tune(self.transport)
        error = self.hub.admit(self)
        if error is None:
            self.open()
        else:
            self.refuse(error)

    @abstractmethod
    def open(self) -> None:
        """Answer the request and begin."""

    @abstractmethod
    def refuse(self, error: TradingError) -> None:
        """Answer the request with a problem, and close."""

    @abstractmethod
    def followings(self) -> Sequence[Following]:
        """Return what the client follows."""

    @abstractmethod
    def send(self, events: Sequence[Event]) -> None:
        """Write events to this client alone."""

    @abstractmethod
    def mark(self, id: int) -> None:
        """Tell after which event the client begins, so that it can resume before there was one."""

    @abstractmethod
    def beat(self) -> None:
        """Show that the connection lives."""

    @abstractmethod
    def farewell(self, code: int) -> None:
        """Say the last word; `code` is a WebSocket's."""

    def leave(self, code: int, reason: str) -> None:
        """End the connection from this side, in a way that makes a good client come back."""
        if self.closing:
            return
        self.stop_following()
        self.hub.count_drop(reason)
        self.closing = True
        self.farewell(code)
        self.hub.await_close(self, CLOSE_SECONDS)

    def stop_following(self) -> None:
        """Write no more events."""
        for following in self.followings():
            following.end()

    def pause_writing(self) -> None:
        """Stop writing: what is written now would only grow the buffer."""
        self.is_paused = True
        self.hub.paused[self] = time.monotonic()
        for following in self.followings():
            following.pause()

    def resume_writing(self) -> None:
        """Go on where the client stopped reading."""
        self.is_paused = False
        self.hub.paused.pop(self, None)
        if not self.closing and not self.transport.is_closing():
            for following in self.followings():
                following.resume()

    def eof_received(self) -> bool:
        """Take a connection that is half closed for gone."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget the client."""
        self.closing = True
        self.stop_following()
        self.hub.forget(self)


def tune(transport: asyncio.Transport) -> None:
    """Bound what is kept for a client, and how long."""
    transport.set_write_buffer_limits(high=BUFFER_BYTES, low=BUFFER_BYTES // 4)
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family == socket.AF_UNIX:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if _USER_TIMEOUT is not None:
        # what is left of that buffer could still last for minutes: the client takes nothing, so it is gone
        connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, USER_TIMEOUT_MS)
