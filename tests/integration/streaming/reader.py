"""A client of raw HTTP that reads a stream event by event."""

from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple

TIMEOUT = 60


class Received(NamedTuple):
    """One block of a stream; a comment has no event."""

    id: str | None
    event: str | None
    data: Any
    retry: str | None


class Reader:
    """One connection."""

    def __init__(self, address: tuple[str, int], *, buffer: int = 0) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(address)
        self._unread = b""
        self.status = 0
        self.headers: dict[str, str] = {}

    def ask(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Reader:
        """Send a request and read the head of its answer."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self.socket.sendall(f"{method} {path} HTTP/1.1\r\nHost: trading.example\r\n{lines}\r\n".encode())
        return self.read_head()

    def read_head(self) -> Reader:
        """Read the head of an answer."""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        return self

    def block(self) -> Received:
        """Read one block."""
        text = self._until(b"\n\n").decode()
        pairs = {name: value for name, _, value in (line.partition(": ") for line in text.split("\n"))}
        data = pairs.get("data")
        return Received(pairs.get("id"), pairs.get("event"), data and json.loads(data), pairs.get("retry"))

    def event(self) -> Received:
        """Read on to the next event."""
        while True:
            block = self.block()
            if block.event is not None:
                return block

    def events(self, count: int) -> list[Received]:
        """Read the next events."""
        return [self.event() for _ in range(count)]

    def problem(self) -> Any:
        """Return the error body of the answer."""
        length = int(self.headers["content-length"])
        while len(self._unread) < length:
            self._more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return json.loads(body)

    def rest(self) -> bytes:
        """Return what comes until the other side closes."""
        while True:
            try:
                self._more()
            except EOFError:
                return self._unread

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._unread:
            self._more()
        found, _, self._unread = self._unread.partition(end)
        return found

    def _more(self) -> None:
        received = self.socket.recv(65536)
        if not received:
            raise EOFError
        self._unread += received
