"""Calls over the engine's or the bot's Unix socket."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from utils import wire
from utils.errors import EngineFault, EngineTimeout, EngineUnavailable
from utils.wire import AnyRequest, Subscribe, Subscription

RETRY_AFTER = 2
"""Seconds a client is told to wait when the engine is away; a restart takes about this long."""

_CHUNK = 64 * 1024


class UnixTransport:
    """Reach a process over its Unix socket: one connection per thread, kept open, one call at a time.

    The sockets of calls never block: every system call lets another thread run, and with many threads that costs more
    than the call itself. A call takes three of them: send, wait, receive.
    """

    def __init__(self, path: Path, peer: str = "engine") -> None:
        """Take the socket at `path`; `peer` is who listens there, and begins the codes of errors."""
        self._path = str(path)
        self._peer = peer
        self._local = threading.local()

    def call(self, request: AnyRequest, deadline: float) -> Any:
        """Send one frame and wait for one; see `octobot_bridge.Transport.call`."""
        body = wire.encode_call(wire.Call(deadline, request))
        connection = self._send(body, deadline)
        try:
            reply = connection.receive(deadline)
        except TimeoutError:
            self._drop()
            raise self._timeout("did not answer in time") from None
        except OSError:
            self._drop()
            if isinstance(request, wire.Command):
                # it may have been done before the engine went away
                raise self._timeout("went away before it answered") from None
            raise self._unavailable("went away") from None
        try:
            return wire.decode_reply(reply, type(request))
        except msgspec.DecodeError as error:
            self._drop()
            detail = f"The {self._peer}'s answer could not be read: {error}"
            raise EngineFault(detail, code=f"{self._peer}_fault") from error

    def stream(self, request: Subscription) -> Iterator[Any]:
        """Subscribe on a connection of its own; see `octobot_bridge.Transport.stream`."""
        decode: Callable[[bytes], Any] = (
            wire.decode_event if isinstance(request, Subscribe) else wire.decode_account_events
        )
        patience = request.heartbeat + 5
        connection = self._connect(time.time() + patience)
        try:
            connection.send(wire.encode_call(wire.Call(time.time() + 5, request)), time.time() + patience)
            while True:
                body = connection.receive(time.time() + patience)
                yield decode(body) if body else None
        except (OSError, msgspec.DecodeError):
            raise self._unavailable("went away") from None
        finally:
            connection.close()

    def _send(self, body: bytes, deadline: float) -> _Connection:
        """Send `body`, once more on a fresh connection when a kept one turns out to be dead before it took a byte."""
        kept: _Connection | None = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                kept.send(body, deadline)
                return kept
            except OSError:
                self._drop()
        fresh = self._local.connection = self._connect(deadline)
        try:
            fresh.send(body, deadline)
        except OSError:
            self._drop()
            raise self._unavailable("cannot be reached") from None
        return fresh

    def _connect(self, deadline: float) -> _Connection:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(max(deadline - time.time(), 0.001))
        try:
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise self._unavailable("cannot be reached") from None
        connection.setblocking(False)
        return _Connection(connection)

    def _unavailable(self, what: str) -> EngineUnavailable:
        return EngineUnavailable(f"The {self._peer} {what}.", code=f"{self._peer}_unavailable", retry_after=RETRY_AFTER)

    def _timeout(self, what: str) -> EngineTimeout:
        return EngineTimeout(f"The {self._peer} {what}; the outcome is unknown.", code=f"{self._peer}_timeout")

    def _drop(self) -> None:
        connection: _Connection | None = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()


class _Connection:
    """A connected socket that frames are sent over, and the bytes that came after the last one.

    Deadlines are Unix times. All methods raise `TimeoutError` when they pass, `OSError` when the other side is gone.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._poll = select.poll()
        self._buffer = bytearray()

    def send(self, frame: bytes, deadline: float) -> None:
        """Send a frame; a kernel's buffer takes nearly all of them at once."""
        while True:
            try:
                sent = self._socket.send(frame)
            except BlockingIOError:
                sent = 0
            if sent == len(frame):
                return
            frame = frame[sent:]
            self._wait(select.POLLOUT, deadline)

    def receive(self, deadline: float) -> bytes:
        """Wait for a frame and return its body."""
        while True:
            body = self._frame()
            if body is not None:
                return body
            self._wait(select.POLLIN, deadline)
            chunk = self._socket.recv(_CHUNK)
            if not chunk:
                raise ConnectionResetError("closed")
            self._buffer += chunk

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _frame(self) -> bytes | None:
        """Cut a whole frame off what has come. :raises OSError: when it is larger than any."""
        if len(self._buffer) < wire.HEADER.size:
            return None
        (length,) = wire.HEADER.unpack_from(self._buffer)
        if length > wire.MAX_FRAME:
            raise OSError(f"frame of {length} bytes")
        end = wire.HEADER.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[wire.HEADER.size : end])
        del self._buffer[:end]
        return body

    def _wait(self, event: int, deadline: float) -> None:
        self._poll.register(self._socket, event)
        if not self._poll.poll(max(deadline - time.time(), 0.001) * 1000):
            raise TimeoutError
