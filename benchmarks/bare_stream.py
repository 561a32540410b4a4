"""The baseline of streams: what writing the same bytes to as many sockets costs with uvloop, and nothing else.

`python -m benchmarks.bare_stream PORT`: every request is answered with a stream of the same events for all.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import cast

import uvloop

from benchmarks.stream_events import TICK_SECONDS, event, ticks

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
_writers: dict[asyncio.Protocol, Callable[[bytes], None]] = {}


class Client(asyncio.Protocol):
    """Written to from its first byte on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Begin."""
        if data.startswith(b"GET /health/ready"):
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._transport.close()
            return
        self._transport.write(HEAD)
        _writers[self] = self._transport.write

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Forget it."""
        _writers.pop(self, None)


async def serve(port: int) -> None:
    """Write to everybody at every tick."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[object]] = set()

    def accept() -> None:
        # uvloop's own server accepts one connection a turn, however long the turn is
        for _ in range(64):
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            task = loop.create_task(loop.connect_accepted_socket(Client, connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    with socket.create_server(("127.0.0.1", port), backlog=4096) as listening:
        listening.setblocking(False)
        loop.add_reader(listening, accept)
        async for number, due in ticks(TICK_SECONDS):
            written = event(number, due)
            for write in list(_writers.values()):
                write(written)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
