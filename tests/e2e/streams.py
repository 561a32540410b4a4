"""Clients of streams: one that reads server-sent events, and one that speaks over a WebSocket."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import cache
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.running import wait_for

_reading: list[EventReader] = []


def end_readers() -> None:
    """End whatever still reads."""
    while _reading:
        _reading.pop().close()


class EventReader:
    """Read a stream on a thread until it ends; `events` are id, name and data."""

    def __init__(
        self, http: httpx.Client, path: str, *, last_id: int | None = None, query: dict[str, str] | None = None
    ) -> None:
        self.events: list[tuple[int, str, Any]] = []
        self.headers: httpx.Headers = httpx.Headers()
        self.status = 0
        self.ended = threading.Event()
        self.last_id = last_id
        self._http, self._path, self._query = http, path, query
        self._answer: httpx.Response | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        _reading.append(self)

    def close(self) -> None:
        """End reading."""
        end(self._thread, lambda: self._answer)

    def ids(self) -> list[int]:
        return [number for number, _, _ in self.events]

    def wait_open(self) -> EventReader:
        """Wait until the stream says from where on it tells everything."""
        wait_for(lambda: self.ended.is_set() or (self.status == 200 and self.last_id is not None), 30)
        assert self.status == 200, self.status
        return self

    def _read(self) -> None:
        headers = {} if self.last_id is None else {"Last-Event-ID": str(self.last_id)}
        try:
            with self._http.stream("GET", self._path, params=self._query, headers=headers, timeout=60) as answer:
                self._answer = answer
                self.headers, self.status = answer.headers, answer.status_code
                fields: dict[str, str] = {}
                for line in answer.iter_lines():
                    if line:
                        name, _, value = line.partition(":")
                        fields[name] = value.strip()
                        continue
                    self._take(fields)
                    fields = {}
        except httpx.HTTPError:
            pass
        finally:
            self.ended.set()

    def _take(self, fields: dict[str, str]) -> None:
        if "id" in fields:
            self.last_id = int(fields["id"])
        if "data" in fields:
            self.events.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))


def end(reader: threading.Thread, answer: Callable[[], httpx.Response | None]) -> None:
    """Wait until a thread has come to the end of the answer that it reads, which is brought about.

    To close its client instead would leave it reading from a descriptor that is somebody else's by then.
    """

    def has_ended() -> bool:
        read = answer()
        if read is not None:
            with suppress(OSError):  # it is closed
                socket.socket.shutdown(read.extensions["network_stream"].get_extra_info("socket"), socket.SHUT_RDWR)
        return not reader.is_alive()

    wait_for(has_ended, 30)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """Return the loop of all sockets: one thread reads and writes, since two at once break a TLS connection."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


def _run[T](coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result(60)


class Socket:
    """A WebSocket whose messages are collected in the background."""

    def __init__(
        self,
        address: str,
        headers: dict[str, str] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        origin: Any = None,
    ) -> None:
        self.messages: list[dict[str, Any]] = []
        self.ended = threading.Event()
        self.code: int | None = None

        async def opened() -> ClientConnection:
            return await connect(address, additional_headers=headers, ssl=tls, origin=origin, open_timeout=30)

        self._connection = _run(opened())
        asyncio.run_coroutine_threadsafe(self._read(), _loop())

    def say(self, **action: Any) -> None:
        _run(self._connection.send(json.dumps(action)))

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] in types]

    def wait_for(self, kind: str, seconds: float = 30) -> dict[str, Any]:
        found: list[dict[str, Any]] = wait_for(lambda: self.of(kind), seconds)
        return found[0]

    def close(self) -> None:
        _run(self._connection.close())

    async def _read(self) -> None:
        try:
            async for message in self._connection:
                self.messages.append(json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            self.code = self._connection.close_code
            self.ended.set()


def seconds_until(condition: Callable[[], object], most: float) -> float:
    """Return after how many seconds `condition` held."""
    began = time.monotonic()
    wait_for(condition, most)
    return time.monotonic() - began
