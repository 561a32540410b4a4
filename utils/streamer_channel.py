"""The web server's end of the way to the streamer: packets, and the descriptors of clients, over a Unix socket."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import msgspec

from utils import follow
from utils.errors import Malformed, StreamerUnavailable
from utils.follow import GetStreamerStatus, Handover, StreamerStatus

TIMEOUT_SECONDS = 1.0
RETRY_AFTER = 1
"""Seconds a client is told to wait when the streamer is away; a restart takes about this long."""


class StreamerChannel:
    """Reach the streamer: one connection per thread (never one from before a fork), kept open."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._local = threading.local()

    def hand_over(self, handover: Handover, connection: socket.socket) -> None:
        """Give the streamer a duplicate of `connection`; the caller still has its own.

        :raises StreamerUnavailable: nothing was handed over. :raises Malformed: it is too large for that.
        """
        packet = follow.encode(handover)
        if len(packet) > follow.MAX_MESSAGE:
            raise Malformed("The headers or the query are too large for a stream.", code="headers_too_large")
        self._send(packet, [connection.fileno()])

    def status(self) -> StreamerStatus:
        """Return how the streamer is. :raises StreamerUnavailable: it does not answer."""
        channel = self._send(follow.encode(GetStreamerStatus()), [])
        try:
            return follow.decode_status(channel.recv(follow.MAX_MESSAGE))
        except (OSError, msgspec.DecodeError):
            self._drop()
            raise _away() from None

    def _send(self, packet: bytes, descriptors: list[int]) -> socket.socket:
        """Send `packet`, once more on a fresh connection when the kept one leads to a streamer that has ended."""
        kept: socket.socket | None = getattr(self._local, "channel", None)
        for channel in (kept, None):
            try:
                channel = channel or self._connect()  # noqa: PLW2901 - the second time a fresh one
                socket.send_fds(channel, [packet], descriptors)
                return channel
            except TimeoutError:
                break  # it is there, but too busy: another connection would not help
            except OSError:
                self._drop()
                if kept is None:
                    break
        self._drop()
        raise _away()

    def _connect(self) -> socket.socket:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.settimeout(TIMEOUT_SECONDS)
        try:
            channel.connect(self._path)
        except OSError:
            channel.close()
            raise
        self._local.channel = channel
        return channel

    def _drop(self) -> None:
        channel: socket.socket | None = getattr(self._local, "channel", None)
        self._local.channel = None
        if channel is not None:
            channel.close()


def _away() -> StreamerUnavailable:
    return StreamerUnavailable("Streams cannot be opened at the moment.", retry_after=RETRY_AFTER)
