"""Write server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from flask import Response, request

from services.prices import PULSE_SECONDS
from utils import json
from utils.wire import StreamEvent

HEARTBEAT_SECONDS = 15.0
"""A stream is never silent for longer."""

RECONNECT_MS = 2000
STALLED_SECONDS = 20.0
"""A client that takes nothing for so long is dropped: it would hold its thread for ever."""

SEND_BUFFER = 64 * 1024
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def answer(events: Generator[StreamEvent | None], release: Callable[[], None]) -> Response:
    """Return the response that writes `events`; `release` is called when it is over, however it ends."""
    _bound(request.environ.get("gunicorn.socket"))
    response = Response(frames(events), mimetype="text/event-stream", headers=_HEADERS)
    response.call_on_close(release)
    return response


def _bound(connection: socket.socket | None) -> None:
    if connection is not None:
        connection.settimeout(STALLED_SECONDS)
        # the system's own buffer would swallow megabytes before anything is noticed
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if _USER_TIMEOUT is not None:
            # what is left of that buffer may still last for minutes: the client takes nothing, so it is gone
            connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(STALLED_SECONDS * 1000))


def frames(events: Generator[StreamEvent | None]) -> Iterator[bytes]:
    """Yield the bytes of `events`; None becomes a comment when the silence grows too long."""
    with closing(events):
        yield b"retry: %d\n\n" % RECONNECT_MS
        written = time.monotonic()
        for event in events:
            # the next pulse would come too late
            due = time.monotonic() - written + PULSE_SECONDS > HEARTBEAT_SECONDS
            if event is not None or due:
                yield b": heartbeat\n\n" if event is None else _frame(event)
                written = time.monotonic()


def _frame(event: StreamEvent) -> bytes:
    payload = b"{}" if event.payload is None else json.dumps(event.payload)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.event.encode(), payload)
