"""The way to the engine's Unix socket."""

from __future__ import annotations

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


class UnixTransport:
    """Reach the engine over its Unix socket: one connection per thread, kept open, one call at a time."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._local = threading.local()

    def call(self, request: AnyRequest, deadline: float) -> Any:
        """Send one frame and wait for one; see `octobot_bridge.Transport.call`."""
        body = wire.encode_call(wire.Call(deadline, request))
        connection = self._send(body, deadline)
        try:
            reply = _receive(connection)
        except TimeoutError:
            self._drop()
            raise EngineTimeout("The engine did not answer in time; the outcome is unknown.") from None
        except OSError:
            self._drop()
            if isinstance(request, wire.Command):
                # it may have been done before the engine went away
                raise EngineTimeout("The engine went away before it answered; the outcome is unknown.") from None
            raise EngineUnavailable("The engine went away.", retry_after=RETRY_AFTER) from None
        try:
            return wire.decode_reply(reply, type(request))
        except msgspec.DecodeError as error:
            self._drop()
            raise EngineFault(f"The engine's answer could not be read: {error}") from error

    def stream(self, request: Subscription) -> Iterator[Any]:
        """Subscribe on a connection of its own; see `octobot_bridge.Transport.stream`."""
        decode: Callable[[bytes], Any] = (
            wire.decode_event if isinstance(request, Subscribe) else wire.decode_account_events
        )
        connection = self._connect(timeout=request.heartbeat + 5)
        try:
            connection.sendall(wire.encode_call(wire.Call(time.time() + 5, request)))
            while True:
                body = _receive(connection)
                yield decode(body) if body else None
        except (OSError, msgspec.DecodeError):
            raise EngineUnavailable("The engine went away.", retry_after=RETRY_AFTER) from None
        finally:
            connection.close()

    def _send(self, body: bytes, deadline: float) -> socket.socket:
        """Send `body`, once more on a fresh connection when a kept one turns out to be dead before it took a byte."""
        kept: socket.socket | None = getattr(self._local, "connection", None)
        if kept is not None:
            if not _is_dead(kept):
                kept.settimeout(max(deadline - time.time(), 0.001))
                try:
                    kept.sendall(body)
                    return kept
                except OSError:
                    pass
            self._drop()
        fresh = self._connect(timeout=max(deadline - time.time(), 0.001))
        self._local.connection = fresh
        try:
            fresh.sendall(body)
        except OSError:
            self._drop()
            raise EngineUnavailable("The engine cannot be reached.", retry_after=RETRY_AFTER) from None
        return fresh

    def _connect(self, timeout: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(self._path)
        except OSError:
            connection.close()
            raise EngineUnavailable("The engine cannot be reached.", retry_after=RETRY_AFTER) from None
        return connection

    def _drop(self) -> None:
        connection: socket.socket | None = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()


def _is_dead(connection: socket.socket) -> bool:
    """Tell whether the other side has closed, without waiting: an idle connection has nothing to read."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _receive(connection: socket.socket) -> bytes:
    """Read one frame. :raises OSError: when the other side closes or the time is up."""
    header = _read(connection, wire.HEADER.size)
    (length,) = wire.HEADER.unpack(header)
    if length > wire.MAX_FRAME:
        raise OSError(f"frame of {length} bytes")
    return _read(connection, length)


def _read(connection: socket.socket, length: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < length:
        chunk = connection.recv(length - len(chunks))
        if not chunk:
            raise ConnectionResetError("closed")
        chunks += chunk
    return bytes(chunks)
