"""A crowd of stream clients in one process: `python -m benchmarks.stream_client '{…}'`, started by `stream_load`.

Plain sockets and epoll, since the clients must cost less than what they measure. Every client keeps the id of its last
event, so that one that is told twice or out of order is noticed, and counts the events whose moment falls into the
window that the parent names on standard input; what it says goes to standard output, one JSON document per line.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import select
import socket
import struct
import sys
import time
from datetime import datetime
from typing import Any

AT_ONCE = 500
"""Connections that wait for their answer."""

CONNECT_SECONDS = 90.0
GRACE_SECONDS = 2.0
"""How long after the end of the window late events still count."""

REST_SECONDS = 0.002
"""How long the clients rest between two looks; events are told late by up to as much."""

BIN_SECONDS = 0.0005
BINS = 20_000
CHUNK = 8192
MOST_EVENTS = 20_000
_MASK = b"\x00\x00\x00\x00"
_PONG = b"\x8a\x80" + _MASK


class Crowd:
    """Many clients of one server that follow the same market."""

    def __init__(self, wish: dict[str, Any]) -> None:
        self.port: int = wish["port"]
        self.path: str = wish["path"]
        self.address: str = wish["address"]
        self.is_socket: bool = wish["kind"] == "websocket"
        self.message: str = wish.get("message", "")
        self.tokens: list[str] = wish["tokens"]
        self.wanted: int = wish["count"]
        self.leaves: bool = wish.get("leaves", False)
        self.left = 0
        self.opened = 0
        self.refused: dict[str, int] = {}
        self.closed = 0
        self.disordered = 0
        self.poll = select.epoll()
        self.sockets: dict[int, socket.socket] = {}
        self.opening: dict[int, bytes] = {}
        self.rest: dict[int, bytes] = {}
        self.known: dict[bytes, tuple[int, float]] = {}
        """Whole frames, each with its id and, when it counts, the moment of its price."""
        self.last: dict[int, int] = {}
        self.counts: dict[int, int] = {}
        self.bins = [0] * BINS
        self.window = (float("inf"), float("inf"))
        self.numbers: dict[int, None] = {}

    # ------------------------------------------------------------------------------------------------- connecting

    def connect(self) -> None:
        """Open all connections, a few at a time; those who are told to come again do so, for a while."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while self.opening or len(self.sockets) + self.left < self.wanted:
            is_over = time.monotonic() > deadline or not self.refused.keys() <= {"503"}
            if is_over and not self.opening:
                return
            while not is_over and len(self.opening) < AT_ONCE and len(self.sockets) + self.left < self.wanted:
                self._open(self.tokens[self.opened % len(self.tokens)])
            self.turn(1.0)

    def _open(self, token: str) -> None:
        self.opened += 1
        connection = socket.socket()
        connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: more than one port a server
        connection.bind((self.address, 0))
        connection.connect(("127.0.0.1", self.port))
        head = f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {token}\r\n"
        if self.is_socket:
            key = base64.b64encode(os.urandom(16)).decode()
            head += "Connection: Upgrade\r\nUpgrade: websocket\r\n"
            head += f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        connection.sendall(head.encode() + b"\r\n")
        connection.setblocking(False)
        number = connection.fileno()
        self.sockets[number] = connection
        self.opening[number] = b""
        self.poll.register(number, select.EPOLLIN)

    def _opened(self, number: int, chunk: bytes) -> None:
        gathered = self.opening[number] + chunk
        head, end, rest = gathered.partition(b"\r\n\r\n")
        if not end:
            self.opening[number] = gathered
            return
        status = head.split(b" ", 2)[1].decode()
        del self.opening[number]
        if status != ("101" if self.is_socket else "200"):
            self.refused[status] = self.refused.get(status, 0) + 1
            self._close(number)
            return
        if self.leaves:
            self.left += 1
            self._close(number)
            return
        self.last[number] = self.counts[number] = 0
        if self.message:
            body = self.message.encode()
            self.sockets[number].send(b"\x81\xfe" + struct.pack(">H", len(body)) + _MASK + body)
        if rest:
            self._several(number, rest)

    def _close(self, number: int) -> None:
        self.poll.unregister(number)
        self.sockets.pop(number).close()

    # --------------------------------------------------------------------------------------------------- receiving

    def turn(self, seconds: float) -> None:
        """Read what has come within `seconds`."""
        known, last, counts, bins, read, clock = self.known, self.last, self.counts, self.bins, os.read, time.time
        for number, _ in self.poll.poll(seconds, MOST_EVENTS):
            try:
                chunk = read(number, CHUNK)
            except OSError:
                chunk = b""
            found = known.get(chunk)
            if found is None or number in self.rest:
                self._other(number, chunk)
                continue
            event, moment = found
            if event <= last[number]:
                self.disordered += 1
            last[number] = event
            if moment:
                counts[number] += 1
                bins[min(int((clock() - moment) / BIN_SECONDS), BINS - 1)] += 1

    def _other(self, number: int, chunk: bytes) -> None:
        if number == 0:
            self._command(chunk)
        elif number in self.opening and chunk:
            self._opened(number, chunk)
        elif chunk:
            self._several(number, self.rest.pop(number, b"") + chunk)
        else:
            self.closed += self.opening.pop(number, None) is None
            self._close(number)

    def _several(self, number: int, chunk: bytes) -> None:
        frames, rest = (_messages if self.is_socket else _events)(chunk)
        if rest:
            self.rest[number] = rest
        for frame in frames:
            if self.is_socket and frame[0] == 0x89:
                self.sockets[number].send(_PONG)
                continue
            found = self.known.get(frame) or self._learn(frame)
            if found is None:
                continue
            event, moment = found
            self.disordered += event <= self.last[number]
            self.last[number] = event
            if moment:
                self.counts[number] += 1
                self.bins[min(int((time.time() - moment) / BIN_SECONDS), BINS - 1)] += 1

    def _learn(self, frame: bytes) -> tuple[int, float] | None:
        """Return the id of a price that was never seen before, and its moment when it counts; None for other frames."""
        if self.is_socket:
            message = json.loads(frame[4 if frame[1] == 126 else 2 :]) if frame[0] == 0x81 else {}
            if message.get("type") != "price":
                return None
            event, price = int(message["id"]), message["data"]
        else:
            fields = dict(line.split(b": ", 1) for line in frame.strip().split(b"\n") if b": " in line)
            if fields.get(b"event") != b"price":
                return None
            event, price = int(fields[b"id"]), json.loads(fields[b"data"])
        moment = datetime.fromisoformat(price["as_of"]).timestamp()
        counts = self.window[0] <= moment < self.window[1]
        if counts:
            self.numbers[event] = None
        self.known[frame] = event, moment if counts else 0.0
        return self.known[frame]

    # ----------------------------------------------------------------------------------------------- the parent

    def _command(self, chunk: bytes) -> None:
        words = chunk.split()
        if not words:
            sys.exit(0)
        self.window = (float(words[0]), float(words[1]))

    def measure(self) -> None:
        """Count in each window that the parent names, and tell what came in it; end with the parent."""
        self.poll.register(0, select.EPOLLIN)
        self.tell(
            connected=len(self.sockets),
            opened=self.opened,
            refused=self.refused,
            closed=self.closed,
            left=self.left,
        )
        while True:
            self.window = (float("inf"), float("inf"))
            while self.window[1] == float("inf"):
                self.turn(0.1)
            self.known.clear()
            self.numbers.clear()
            self.counts = dict.fromkeys(self.sockets, 0)
            self.bins = [0] * BINS
            while time.time() < self.window[0]:
                time.sleep(REST_SECONDS)
                self.turn(0)
            before, looked, longest = time.process_time(), time.time(), 0.0
            while time.time() < self.window[1] + GRACE_SECONDS:
                # not woken by every event: clients on other machines would not take the server's time for that either
                time.sleep(REST_SECONDS)
                self.turn(0)
                longest, looked = max(longest, time.time() - looked), time.time()
            self.tell(
                longest_turn=longest,
                counts=list(self.counts.values()),
                numbers=list(self.numbers),
                bins=self.bins,
                disordered=self.disordered,
                closed=self.closed,
                processor_seconds=time.process_time() - before,
            )

    def tell(self, **facts: Any) -> None:
        """Write one line to the parent."""
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()


def _events(chunk: bytes) -> tuple[list[bytes], bytes]:
    *frames, rest = chunk.split(b"\n\n")
    return [frame + b"\n\n" for frame in frames], rest


def _messages(chunk: bytes) -> tuple[list[bytes], bytes]:
    frames = []
    while len(chunk) >= 2:
        length, start = chunk[1], 2
        if length == 126:
            if len(chunk) < 4:
                break
            length, start = struct.unpack_from(">H", chunk, 2)[0], 4
        if len(chunk) < start + length:
            break
        frames.append(chunk[: start + length])
        chunk = chunk[start + length :]
    return frames, chunk


def main() -> None:
    """Connect, wait, count."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    crowd = Crowd(json.loads(sys.argv[1]))
    crowd.connect()
    crowd.measure()


if __name__ == "__main__":
    main()
