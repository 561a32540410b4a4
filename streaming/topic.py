"""A topic: all clients that get the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from streaming.events import Event

if TYPE_CHECKING:
    from streaming.client import Client

Write = Callable[[bytes], None]


class Topic:
    """The subscribers of one thing, by how they are written to."""

    __slots__ = ("sse", "ws")

    def __init__(self) -> None:
        # the bound methods of the transports: nothing is looked up per delivery
        self.sse: dict[Client, Write] = {}
        self.ws: dict[Client, Write] = {}

    def __len__(self) -> int:
        return len(self.sse) + len(self.ws)

    def __contains__(self, client: Client) -> bool:
        return client in self.sse or client in self.ws

    def add(self, client: Client) -> None:
        """Let `client` get what is published."""
        (self.ws if client.is_socket else self.sse)[client] = client.transport.write

    def discard(self, client: Client) -> None:
        """Let `client` get nothing more."""
        (self.ws if client.is_socket else self.sse).pop(client, None)

    def publish(self, events: Sequence[Event]) -> int:
        """Write `events`, each subscriber's in one piece; return how many were delivered."""
        delivered = 0
        # copies: a write can find the client's buffer full, and that takes the client out of here
        if self.sse:
            written = b"".join([event.sse for event in events]) if len(events) > 1 else events[0].sse
            writes = list(self.sse.values())
            for write in writes:
                write(written)
            delivered += len(writes)
        if self.ws:
            written = b"".join([event.ws for event in events]) if len(events) > 1 else events[0].ws
            writes = list(self.ws.values())
            for write in writes:
                write(written)
            delivered += len(writes)
        return delivered * len(events)
