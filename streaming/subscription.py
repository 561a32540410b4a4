"""One subscription with the engine, kept up: it comes back by itself, with a longer wait after each failure."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

import msgspec

from utils import wire
from utils.wire import AnyRequest, Call

_log = logging.getLogger(__name__)
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
CALL_SECONDS = 5.0
HEARTBEAT_SECONDS = 5.0
"""How often the engine shows that it lives when nothing happens."""


class Feed(Protocol):
    """What a subscription is for."""

    name: str

    def request(self) -> AnyRequest:
        """Return what to ask for, from where the feed stands now."""

    def receive(self, frames: list[bytes]) -> None:
        """Take what came in one piece; an empty frame only says that the subscription holds."""


class Subscription:
    """Feed a feed from the engine's socket."""

    def __init__(self, path: Path, feed: Feed) -> None:
        self._path = str(path)
        self._feed = feed
        self._wait = FIRST_WAIT_SECONDS
        self.holds = False

    async def run(self) -> None:
        """Subscribe, again and again, until cancelled."""
        while True:
            try:
                await self._once()
            except (OSError, TimeoutError, msgspec.DecodeError) as error:
                _log.debug("the subscription for %s broke off: %s", self._feed.name, error)
            if self.holds:
                # who stops it, or starts it again, says so louder
                _log.info("the engine went away: no %s until it is back", self._feed.name)
            self.holds = False
            await asyncio.sleep(self._wait)
            self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)

    async def _once(self) -> None:
        loop = asyncio.get_running_loop()
        transport, frames = await asyncio.wait_for(
            loop.create_unix_connection(lambda: _Frames(self._received), self._path), CALL_SECONDS
        )
        try:
            transport.write(wire.encode_call(Call(time.time() + CALL_SECONDS, self._feed.request())))
            while not frames.ended.done():
                await asyncio.wait([frames.ended], timeout=HEARTBEAT_SECONDS)
                if time.monotonic() - frames.heard_at > 2 * HEARTBEAT_SECONDS:
                    raise TimeoutError("nothing was heard")
            await frames.ended
        finally:
            transport.abort()

    def _received(self, frames: list[bytes]) -> None:
        if not self.holds:
            _log.info("the subscription for %s holds", self._feed.name)
            self.holds, self._wait = True, FIRST_WAIT_SECONDS
        self._feed.receive(frames)


class _Frames(asyncio.Protocol):
    """Cut what comes into frames."""

    def __init__(self, receive: Callable[[list[bytes]], None]) -> None:
        self._receive = receive
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self.heard_at = time.monotonic()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, received: bytes) -> None:
        self.heard_at = time.monotonic()
        self._buffer += received
        try:
            frames = self._cut()
            if frames:
                self._receive(frames)
        except Exception as error:
            # what comes after a frame that cannot be read would be out of order
            self._end(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def _cut(self) -> list[bytes]:
        frames: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= wire.HEADER.size:
            (length,) = wire.HEADER.unpack_from(self._buffer, start)
            if length > wire.MAX_FRAME:
                raise OSError(f"frame of {length} bytes")
            end = start + wire.HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start + wire.HEADER.size : end]))
            start = end
        del self._buffer[:start]
        return frames

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            if error is None or isinstance(error, OSError | msgspec.DecodeError):
                self.ended.set_result(None)
            else:
                _log.error("a frame of the engine could not be passed on", exc_info=error)
                self.ended.set_result(None)
        if self._transport is not None:
            self._transport.abort()


def decode_all[T](frames: list[bytes], decode: Callable[[bytes], T]) -> list[T]:
    """Return what the frames hold, without those that are empty."""
    return [decode(frame) for frame in frames if frame]
