"""A socket that keeps what its client does not take yet: whoever answers does not wait for whoever reads."""

from __future__ import annotations

import select
import socket
import time
from typing import Any

MOST_KEPT = 4 * 1024 * 1024
"""Bytes of one answer that are kept; of a longer one, more is written when the client has taken some."""

SEND_SECONDS = 20.0
"""How long an answer may wait for its client to take some of it."""

ANSWER_SECONDS = 120.0
"""How long a client may take for all that is kept."""


class PatientSocket(socket.socket):
    """A client's connection; `kept` is what has been written and not sent."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.kept = bytearray()

    @classmethod
    def of(cls, plain: socket.socket) -> PatientSocket:
        """Return the connection of `plain`, which is worth nothing any more."""
        return cls(plain.family, plain.type, plain.proto, fileno=plain.detach())

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send what the client takes at once, and keep the rest.

        :raises TimeoutError: `MOST_KEPT` is kept, and the client takes too little of it. :raises OSError: it has left.
        """
        sent = self._send(data, flags) if not self.kept else 0
        self.kept += memoryview(data)[sent:]
        until = time.monotonic() + ANSWER_SECONDS
        while len(self.kept) > MOST_KEPT:
            if time.monotonic() >= until or not _takes(self, SEND_SECONDS):
                raise TimeoutError("the client does not take its answer")
            self.send_kept()

    def send_kept(self) -> bool:
        """Send what the client takes of what is kept; tell whether it was all. :raises OSError: it has left."""
        sent = self._send(self.kept, 0)
        del self.kept[:sent]
        return not self.kept

    def _send(self, data: Any, flags: int) -> int:
        """Return how many bytes the client took without being waited for."""
        sent = 0
        with memoryview(data) as view:
            try:
                while sent < len(view):
                    sent += self.send(view[sent:], flags | socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        return sent


def _takes(connection: socket.socket, seconds: float) -> bool:
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))
