"""The door through the web server: it authenticates and checks, and hands over the client's connection."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from streaming.tasks import Tasks
from utils import follow
from utils.follow import GetStreamerStatus, Handover, StreamerStatus

_log = logging.getLogger(__name__)
AT_ONCE = 64
"""Connections taken from one channel before others have their turn: a storm of joins must not delay prices."""

BACKLOG = 128


class Handoff:
    """Listen on a Unix socket (mode 0600) for connections that are handed over, and for questions."""

    def __init__(
        self,
        path: Path,
        make: Callable[[Handover], asyncio.Protocol],
        status: Callable[[], StreamerStatus],
        tasks: Tasks,
    ) -> None:
        self._path = path
        self._make = make
        self._status = status
        self._tasks = tasks
        self._listener: socket.socket | None = None
        self._channels: set[socket.socket] = set()

    def start(self) -> None:
        """Listen, replacing a socket that a dead streamer left."""
        self._path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mask = os.umask(0o177)
        try:
            self._listener.bind(str(self._path))
        finally:
            os.umask(mask)
        self._listener.listen(BACKLOG)
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def stop(self) -> None:
        """Take nothing more; connections that were not taken yet are closed with the channels."""
        if self._listener is not None:
            self._path.unlink(missing_ok=True)
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for channel in list(self._channels):
            self._close(channel)

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101
        with suppress(BlockingIOError):
            channel, _ = self._listener.accept()
            channel.setblocking(False)
            self._channels.add(channel)
            asyncio.get_running_loop().add_reader(channel, self._read, channel)

    def _close(self, channel: socket.socket) -> None:
        self._channels.discard(channel)
        asyncio.get_running_loop().remove_reader(channel)
        channel.close()

    def _read(self, channel: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                packet, descriptors, _, _ = socket.recv_fds(
                    channel, follow.MAX_MESSAGE, 4, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
                )
            except BlockingIOError:
                return
            except OSError:
                packet, descriptors = b"", []
            if not packet:
                self._close(channel)
                return
            self._take(channel, packet, descriptors)

    def _take(self, channel: socket.socket, packet: bytes, descriptors: list[int]) -> None:
        try:
            message = follow.decode(packet)
        except msgspec.DecodeError as error:
            _log.warning("a packet could not be read: %s", error)
            message = None
        if isinstance(message, Handover) and len(descriptors) == 1:
            with suppress(OSError):  # it is no socket
                connection = socket.socket(fileno=descriptors[0])
                connection.setblocking(False)
                self._tasks.spawn(self._adopt(message, connection))
                return
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(message, GetStreamerStatus):
            with suppress(OSError):
                channel.send(follow.encode(self._status()))

    async def _adopt(self, handover: Handover, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: self._make(handover), connection)
        except OSError as error:
            _log.debug("a client left while it was handed over: %s", error)
            connection.close()
