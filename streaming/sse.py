"""A client that reads server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import Sequence

from streaming import events
from streaming.answers import Answer
from streaming.client import Client, Following
from streaming.events import Event
from streaming.feeds import Feeds
from streaming.followings import check_share, make
from streaming.hub import Hub
from utils.errors import TradingError
from utils.follow import Caller, Wish

FIRST_WORD = b"retry: 2000\n\n"
"""After how many milliseconds a browser comes back when the connection breaks."""


class SseClient(Client):
    """A client that reads server-sent events."""

    __slots__ = ("_begin", "_following")
    kind = "sse"

    def __init__(self, hub: Hub, caller: Caller, *, answer: Answer, wish: Wish, feeds: Feeds) -> None:
        super().__init__(hub, caller)
        self._begin: tuple[Answer, Wish, Feeds] | None = (answer, wish, feeds)
        self._following: Following | None = None

    def open(self) -> None:
        """Write the head, and begin with what was missed."""
        assert self._begin is not None  # noqa: S101
        answer, wish, feeds = self._begin
        try:
            check_share(feeds, self, [wish])
        except TradingError as error:
            self.refuse(error)
            return
        self._begin = None  # not needed any more, and there are many of them
        self.transport.write(answer.head() + FIRST_WORD)
        self._following = make(feeds, self, wish)
        self._following.begin()

    def refuse(self, error: TradingError) -> None:
        """Answer with a problem."""
        assert self._begin is not None  # noqa: S101
        self.closing = True
        self.transport.write(self._begin[0].problem(error))
        self.transport.close()

    def followings(self) -> Sequence[Following]:
        """Return the one thing it follows."""
        return () if self._following is None else (self._following,)

    def send(self, events: Sequence[Event]) -> None:
        """Write events to this client alone."""
        self.transport.writelines([event.sse for event in events])

    def mark(self, id: int) -> None:
        """Write an id without an event: browsers keep it, and tell nobody."""
        self.transport.write(b"id: %d\n\n" % id)

    def beat(self) -> None:
        """Write a comment."""
        self.transport.write(events.HEARTBEAT)

    def farewell(self, code: int) -> None:  # noqa: ARG002
        """Tell when to come back, and close."""
        self.transport.write(events.retry(500, 4000))
        self.transport.close()
