"""The engine's side of the bridge: frames over a Unix socket, one request at a time per connection."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import msgspec

from utils import replays, wire
from utils.errors import EngineFault, Fault, TradingError
from utils.wire import Request

_log = logging.getLogger(__name__)
Handler = Callable[[Any], Awaitable[Any]]
Stream = Callable[[Any], AsyncGenerator[bytes | None]]
"""Yields frames; None stands for a heartbeat."""

DRAIN_SECONDS = 10
STALLED_SECONDS = 30.0
"""A subscriber that takes nothing for so long is cut."""

HEARTBEAT_FRAME = wire.frame(b"")


class Server:
    """Answer calls with `handlers`, and subscriptions with `streams` of frames, by type of request."""

    def __init__(self, handlers: dict[type[Request], Handler], streams: dict[type[Request], Stream]) -> None:
        self._handlers = handlers
        self._streams = streams
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """Listen on `path` (mode 0600), replacing a socket that a dead engine left."""
        path.unlink(missing_ok=True)  # noqa: ASYNC240 - once, at start
        mask = os.umask(0o177)
        try:
            self._server = await asyncio.get_running_loop().create_unix_server(lambda: _Connection(self), str(path))
        finally:
            os.umask(mask)

    async def adopt(self, connected: socket.socket) -> None:
        """Answer on a connection that is open already."""
        await asyncio.get_running_loop().connect_accepted_socket(lambda: _Connection(self), connected)

    async def stop(self) -> None:
        """Take no more calls, finish those under way (at most ten seconds), close every connection."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.end_stream()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
        for connection in list(self._connections):
            connection.close()

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Run `work` as a task that `stop` waits for."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def answer(self, body: bytes, connection: _Connection) -> None:
        """Decode a call, do it, and send the reply; what came too late is dropped unanswered."""
        try:
            call = wire.decode_call(body)
        except msgspec.DecodeError as error:
            _log.warning("a frame could not be read: %s", error)
            connection.close()
            return
        if time.time() > call.deadline:
            _log.warning("dropped a %s that came after its deadline", type(call.request).__name__)
            connection.close()
            return
        if type(call.request) in self._streams:
            await self._pump(call.request, connection)
        else:
            connection.send(await self._reply(call.request))

    async def _reply(self, request: Request) -> bytes:
        replays.begin()
        try:
            return wire.encode_answer(await self._handlers[type(request)](request))
        except TradingError as error:
            return wire.encode_fault(Fault.of(error))
        except Exception:
            _log.exception("a %s failed", type(request).__name__)
            return wire.encode_fault(Fault.of(EngineFault("The engine failed; its log has the details.")))

    async def _pump(self, request: Request, connection: _Connection) -> None:
        connection.streaming = asyncio.current_task()
        try:
            async with aclosing(self._streams[type(request)](request)) as frames:
                async for frame in frames:
                    connection.send(HEARTBEAT_FRAME if frame is None else frame)
                    if not connection.writable.is_set():
                        async with asyncio.timeout(STALLED_SECONDS):
                            await connection.writable.wait()
        except TradingError as error:
            _log.info("a subscription was refused: %s", error.detail)
        except TimeoutError:
            _log.warning("a subscriber was cut: it took nothing for %.0f s", STALLED_SECONDS)
        except asyncio.CancelledError:
            pass
        connection.end()

    def opened(self, connection: _Connection) -> None:
        """Count a connection."""
        self._connections.add(connection)

    def closed(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)


class _Connection(asyncio.Protocol):
    """Cut the bytes of one connection into frames."""

    def __init__(self, server: Server) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.streaming: asyncio.Task[Any] | None = None
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not registered as asyncio.Transport, so this cannot be checked
        self._transport = cast(asyncio.Transport, transport)
        self._server.opened(self)

    def data_received(self, received: bytes) -> None:
        self._buffer += received
        while len(self._buffer) >= wire.HEADER.size:
            (length,) = wire.HEADER.unpack_from(self._buffer)
            end = wire.HEADER.size + length
            if length > wire.MAX_FRAME:
                self.close()
                return
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[wire.HEADER.size : end])
            del self._buffer[:end]
            self._server.spawn(self._server.answer(body, self))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self.writable.set()
        self.end_stream()
        self._server.closed(self)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def send(self, frame: bytes) -> None:
        """Write one frame, unless the other side has gone."""
        if self._transport is not None:
            self._transport.write(frame)

    def end_stream(self) -> None:
        """Stop a subscription."""
        if self.streaming is not None:
            self.streaming.cancel()

    def end(self) -> None:
        """Close the connection; what was written to somebody who does not read is dropped."""
        if self._transport is not None and not self.writable.is_set():
            self._transport.abort()
        self.close()

    def close(self) -> None:
        """Close the connection after what was written."""
        if self._transport is not None:
            self._transport.close()
