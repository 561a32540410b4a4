"""The streamer's own port: it reads one request per connection, and the connection becomes a client."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

import h11

from streaming.answers import Answer
from streaming.requests import StreamRequest
from streaming.tasks import Tasks
from utils import ids
from utils.errors import Malformed, Over, TradingError
from utils.origins import ACCEPTED, MAX_AGE, Origins
from utils.problems import status_of

_log = logging.getLogger(__name__)
HEAD_SECONDS = 10.0
"""How long a client may take to send its request."""

ADMISSION_SECONDS = 30.0
"""How long it may take to find out whether the client may come in: after a restart all of them come at once."""

MAX_HEAD = 16 * 1024
ONCE = frozenset({b"authorization", b"last-event-id", b"origin", b"upgrade", b"x-api-key"})
"""Headers that somebody else may have read otherwise when they come twice."""

MOST_SILENT = 4096
"""How many connections may not have said yet what they want; the ones that came first go first."""

MOST_ASKING = 2000
"""How many may wait to be let in; while there are as many, nobody else is accepted, and the system lets them wait."""

BACKLOG = 4096
PAUSE_SECONDS = 1.0
CROWDED_SECONDS = 0.05
AT_ONCE = 64
"""Connections taken before others have their turn."""

Open = Callable[[StreamRequest, Answer], Awaitable[asyncio.Protocol]]
"""Returns the client that a request makes; raises a `TradingError` to refuse it."""


class Listener:
    """Listen for clients."""

    def __init__(self, open_client: Open, origins: Origins, tasks: Tasks) -> None:
        self.open_client = open_client
        self.origins = origins
        self.tasks = tasks
        self.silent: dict[_Front, float] = {}
        """Connections that have not said yet what they want, in the order they came, and until when they may take."""
        self.asking: dict[_Front, float] = {}
        """Those that have, and wait to be let in."""
        self._sockets: list[socket.socket] = []

    async def start(self, host: str, port: int) -> int:
        """Listen, and return the port."""
        loop = asyncio.get_running_loop()
        for family, _, _, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
            listening.setblocking(False)
            # uvloop's own server takes one connection a turn: with thousands of clients to write to in every turn,
            # those who come back after a restart would wait for minutes
            loop.add_reader(listening, self._accept, listening)
            self._sockets.append(listening)
        found: int = self._sockets[0].getsockname()[1]
        return found

    def stop(self) -> None:
        """Take no more connections."""
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()
        self._sockets.clear()
        for front in [*self.silent, *self.asking]:
            front.cut()

    async def run(self) -> None:
        """Cut those who do not say what they want, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            for fronts in (self.silent, self.asking):
                for front in [each for each, until in fronts.items() if until <= now]:
                    front.cut()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            if len(self.asking) >= MOST_ASKING:
                self._pause(listening, CROWDED_SECONDS)
                return
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:  # no descriptors are left: those who wait would call again at once
                _log.warning("no connection can be accepted for a moment: %s", error)
                self._pause(listening, PAUSE_SECONDS)
                return
            connection.setblocking(False)
            self.tasks.spawn(self._greet(connection))

    def _pause(self, listening: socket.socket, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(seconds, self._go_on, listening)

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    async def _greet(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: _Front(self), connection)
        except OSError as error:
            _log.debug("a client left before it said anything: %s", error)
            connection.close()

    def welcome(self, front: _Front) -> None:
        """Count a connection that has not said yet what it wants."""
        self.silent[front] = time.monotonic() + HEAD_SECONDS
        if len(self.silent) > MOST_SILENT:
            next(iter(self.silent)).cut()

    def forget(self, front: _Front) -> None:
        """Count a connection no more."""
        self.silent.pop(front, None)
        self.asking.pop(front, None)


class _Front(asyncio.Protocol):
    """A connection until its request is read and found good."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._raw = bytearray()
        self._is_read = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._listener.welcome(self)

    def data_received(self, received: bytes) -> None:
        self._raw += received
        if self._is_read:
            if len(self._raw) > MAX_HEAD:  # nobody has to talk while their request is looked at
                self.cut()
            return
        try:
            self._parser.receive_data(received)
            head = self._parser.next_event()
        except h11.RemoteProtocolError as error:
            self._refuse(_answer("", None), Malformed("The request could not be read.", code="malformed_request"))
            _log.info("refused a request that cannot be read: %s", error)
            return
        if isinstance(head, h11.Request):
            self._is_read = True
            self._begin(head)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._listener.forget(self)

    def cut(self) -> None:
        """Let go of the connection."""
        self._listener.forget(self)
        if self._transport is not None:
            self._transport.abort()

    def _begin(self, head: h11.Request) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        length = self._raw.find(b"\r\n\r\n") + 4
        request = StreamRequest(
            method=head.method.decode("ascii"),
            target=head.target.decode("latin-1"),
            headers=headers,
            raw=bytes(self._raw[:length]),
        )
        origin = headers.get("origin")
        allowed = origin if origin is not None and self._listener.origins.allows(origin) else None
        answer = _answer(request.path, allowed, headers.get("accept"))
        if request.method == "OPTIONS":
            self._write(answer.preflight(ACCEPTED, MAX_AGE) if allowed else answer.wrong_method())
        elif request.method != "GET":
            self._write(answer.wrong_method())
        elif length > MAX_HEAD:
            self._refuse(answer, Malformed("The request is too large.", code="headers_too_large"))
        elif length < len(b"\r\n\r\n") or _says_twice(head, ONCE):
            self._refuse(answer, Malformed("The request could not be read.", code="malformed_request"))
        else:
            # from here on it is not the client that takes its time
            self._listener.forget(self)
            self._listener.asking[self] = time.monotonic() + ADMISSION_SECONDS
            self._listener.tasks.spawn(self._open(request, answer, length))

    async def _open(self, request: StreamRequest, answer: Answer, length: int) -> None:
        try:
            client = await self._listener.open_client(request, answer)
        except Over:
            self._write(answer.over())
            return
        except TradingError as error:
            if status_of(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _log.warning("a stream could not be opened (%s): %s", error.code, error.detail)
            self._refuse(answer, error)
            return
        if self._transport is None:
            return
        transport, early = self._transport, bytes(self._raw[length:])
        self._listener.forget(self)
        transport.set_protocol(client)
        client.connection_made(transport)
        if early and not transport.is_closing():
            client.data_received(early)

    def _refuse(self, answer: Answer, error: TradingError) -> None:
        self._write(answer.problem(error))

    def _write(self, whole: bytes) -> None:
        """Write an answer and close; `run` cuts the connection when the client does not take it."""
        self._is_read = True
        if self._transport is not None:
            self._transport.write(whole)
            self._transport.close()


def _says_twice(head: h11.Request, names: frozenset[bytes]) -> bool:
    given = [name for name, _ in head.headers if name in names]
    return len(set(given)) < len(given)


def _answer(path: str, origin: str | None, accept: str | None = None) -> Answer:
    return Answer(path=path, request_id=ids.new_id(), origin=origin, accept=accept)
