"""The line from a strategy's process to the engine: calls over the one socket that it was started with."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

from utils import wire
from utils.errors import EngineUnavailable

CALL_SECONDS = 30.0


class Released(EngineUnavailable):
    """The engine has gone, or wants this process no more."""


class Line:
    """Ask the engine, one call after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._alone = asyncio.Lock()

    @classmethod
    async def open(cls, descriptor: int) -> Line:
        """Take over the socket that `descriptor` names."""
        return cls(*await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor)))

    async def ask(self, request: Any) -> Any:
        """Return the answer to `request`.

        :raises TradingError: the engine's error. :raises Released: nobody will answer any more.
        """
        return await asyncio.shield(asyncio.ensure_future(self._ask(request)))  # an answer must not be left for others

    async def _ask(self, request: Any) -> Any:
        async with self._alone:
            try:
                self._writer.write(wire.encode_call(wire.Call(time.time() + CALL_SECONDS, request)))
                header = await self._reader.readexactly(wire.HEADER.size)
                (length,) = wire.HEADER.unpack(header)
                body = await self._reader.readexactly(length)
            except (OSError, asyncio.IncompleteReadError):
                raise Released("The engine has let go of this process.") from None
        return wire.decode_reply(body, type(request))
