"""Events in the two forms in which clients get them, made once for all."""

from __future__ import annotations

import random
import struct
from datetime import datetime
from typing import Any

from utils import clock, json

HEARTBEAT = b": heartbeat\n\n"
PING = b"\x89\x00"
"""A WebSocket's ping, which costs no parser anything."""

_SHORT, _MEDIUM = 126, 65_536


class Event:
    """One event: its id, and its bytes as a server-sent event and as a WebSocket frame."""

    __slots__ = ("id", "sse", "ws")

    def __init__(self, id: int, type: str, payload: bytes, ts: datetime | None = None) -> None:
        self.id = id
        self.sse = b"id: %d\nevent: %s\ndata: %s\n\n" % (id, type.encode(), payload)
        self.ws = message(type, id, payload, ts)


def reset(id: int) -> Event:
    """Return the event which tells that events are missing: a client has to read anew what it shows."""
    return Event(id, "reset", b"{}")


def message(type: str, id: Any, payload: bytes, ts: datetime | None = None) -> bytes:
    """Return the frame of one WebSocket message: the envelope around `payload`, which is JSON already."""
    head = json.dumps({"type": type, "id": id, "ts": ts or clock.now()})
    return frame(b'%s,"data":%s}' % (head[:-1], payload))


def frame(body: bytes) -> bytes:
    """Return `body` as an unmasked WebSocket text frame."""
    length = len(body)
    if length < _SHORT:
        return b"\x81" + bytes((length,)) + body
    if length < _MEDIUM:
        return b"\x81\x7e" + struct.pack(">H", length) + body
    return b"\x81\x7f" + struct.pack(">Q", length) + body


def retry(low: int, high: int) -> bytes:
    """Tell a browser to come back after `low` to `high` milliseconds: not all of them at once."""
    return b"retry: %d\n\n" % random.randint(low, high)  # noqa: S311 - to spread clients, not to hide anything
