"""A client that speaks over a WebSocket (RFC 6455): it says what it wants to follow, and each word is answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from streaming import actions, events
from streaming.actions import Reference, Subscribe, Unsubscribe
from streaming.answers import Answer
from streaming.client import CLOSE_SECONDS, Client, Following
from streaming.events import Event
from streaming.feeds import Feeds
from streaming.followings import Key, check_share, key_of, make, markets, prepare
from streaming.hub import Hub
from streaming.prices import PriceFollowing
from utils.errors import Malformed, Refused, TradingError
from utils.follow import Caller, FollowPrices, OpenSocket, Wish

MOST_FOLLOWED = 200
"""How many things a client may follow over one socket."""

MOST_WAITING = 64
"""How many actions may wait for their answer."""

POLICY_VIOLATION = 1008
UNSUPPORTED = 1003
Check = Callable[[Caller, Sequence[Wish]], Awaitable[None]]
"""Raises a `TradingError` when somebody may not follow something."""


class SocketClient(Client):
    """One WebSocket."""

    __slots__ = (
        "_answer", "_check", "_feeds", "_followed", "_is_acting", "_kind", "_parts", "_silent", "_socket", "_start",
        "_waiting",
    )  # fmt: skip
    is_socket = True
    kind = "websocket"

    def __init__(
        self, hub: Hub, caller: Caller, *, answer: Answer, opening: OpenSocket, feeds: Feeds, check: Check
    ) -> None:
        super().__init__(hub, caller)
        self._answer = answer
        self._start: tuple[bytes, bytes] | None = (opening.handshake, opening.early)
        self._kind = opening.kind
        self._feeds = feeds
        self._check = check
        self._socket = ServerProtocol(max_size=actions.MAX_ACTION)
        self._followed: dict[Key, Following] = {}
        self._waiting: deque[bytes] = deque()
        self._parts = bytearray()
        self._is_acting = False
        self._silent = 0

    # -------------------------------------------------------------------------------------------------- the socket

    def open(self) -> None:
        """Shake hands."""
        assert self._start is not None  # noqa: S101
        (handshake, early), self._start = self._start, None
        # the parser has to see the request, or it would take the first frame for one
        self._socket.receive_data(handshake)
        request = next((each for each in self._socket.events_received() if isinstance(each, Request)), None)
        response = None if request is None else self._socket.accept(request)
        if response is None or response.status_code != 101:
            self.refuse(Malformed("This is no handshake of a WebSocket.", code="websocket_handshake"))
            return
        self._socket.send_response(response)
        self._flush()
        if early:
            self.data_received(early)

    def refuse(self, error: TradingError) -> None:
        """Answer the handshake with a problem."""
        self.closing = True
        self.transport.write(self._answer.problem(error))
        self.transport.close()

    def data_received(self, received: bytes) -> None:
        """Take what the client says."""
        self._silent = 0
        self._socket.receive_data(received)
        for each in self._socket.events_received():
            if isinstance(each, Frame) and not self.closing:
                self._take(each)
        self._flush()
        if self._socket.close_expected() and not self.closing:
            self.closing = True
            self.stop_following()
            self.hub.await_close(self, CLOSE_SECONDS)

    def _take(self, frame: Frame) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.CONT}:
            self._parts += frame.data
            if frame.fin:
                self._waiting.append(bytes(self._parts))
                self._parts.clear()
                self._work()
        elif frame.opcode is Opcode.BINARY:
            self.leave(UNSUPPORTED, "binary")

    def _flush(self) -> None:
        for written in self._socket.data_to_send():
            if written:
                self.transport.write(written)
            elif not self.transport.is_closing():
                self.transport.close()

    def send(self, events: Sequence[Event]) -> None:
        """Write events to this client alone."""
        self.transport.writelines([event.ws for event in events])

    def mark(self, id: int) -> None:
        """Tell after which event the client begins."""
        self.transport.write(events.message("mark", id, b"{}"))

    def beat(self) -> None:
        """Ping; a client that did not answer the last one is gone."""
        if self._silent:
            self.hub.count_drop("silent")
            self.closing = True
            self.transport.abort()
            return
        self._silent += 1
        self.transport.write(events.PING)

    def farewell(self, code: int) -> None:
        """Close with `code`."""
        if self._socket.state is OPEN:
            self._socket.send_close(code)
        self._flush()

    def pause_writing(self) -> None:
        """Stop writing, and reading: a client that does not read its answers need not ask for more."""
        super().pause_writing()
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on where the client stopped reading."""
        if not self.transport.is_closing():
            self.transport.resume_reading()
        super().resume_writing()

    def followings(self) -> Sequence[Following]:
        """Return what the client follows."""
        return list(self._followed.values())

    # ------------------------------------------------------------------------------------------------- the actions

    def _work(self) -> None:
        """Carry out one action after the other."""
        if len(self._waiting) > MOST_WAITING:
            self.leave(POLICY_VIOLATION, "too_many_actions")
        elif not self._is_acting:
            self._is_acting = True
            self.hub.tasks.spawn(self._act_on_all())

    async def _act_on_all(self) -> None:
        try:
            while self._waiting and not self.closing:
                await self._act(self._waiting.popleft())
        finally:
            self._is_acting = False

    async def _act(self, body: bytes) -> None:
        reference: Reference = None
        try:
            action = actions.read(body)
            reference = action.id
            if isinstance(action, Subscribe):
                await self._subscribe(action)
            else:
                self._unsubscribe(action)
        except TradingError as error:
            if not self.closing:
                self.transport.write(actions.fault(reference or actions.reference(body), error))

    async def _subscribe(self, action: Subscribe) -> None:
        wishes = actions.wishes(action, self._kind)
        if self._count() + sum(map(self._fresh, wishes)) > MOST_FOLLOWED:
            raise Refused(f"Follow at most {MOST_FOLLOWED} things over one socket.", code="too_many_subscriptions")
        await self._check(self.caller, wishes)
        if self.closing:
            return
        check_share(self._feeds, self, wishes)
        prepare(self._feeds, wishes)
        self.transport.write(actions.answer("subscribed", action.id, actions.content(action.channel, wishes)))
        for wish in wishes:
            self._follow(wish)

    def _follow(self, wish: Wish) -> None:
        old = self._followed.get(key_of(wish))
        if isinstance(old, PriceFollowing) and isinstance(wish, FollowPrices):
            old.add(markets(wish), wish.since_id)
            return
        if old is not None:
            old.end()
        self._followed[key_of(wish)] = following = make(self._feeds, self, wish)
        following.begin()

    def _unsubscribe(self, action: Unsubscribe) -> None:
        if action.symbol is None and action.symbols is None:
            actions.check_channel(action.channel, self._kind)
            for key in [key for key in self._followed if key[0] == action.channel]:
                self._followed.pop(key).end()
        else:
            for wish in actions.wishes(action, self._kind):
                self._leave(wish)
        self.transport.write(actions.answer("unsubscribed", action.id, {"channel": action.channel}))

    def _leave(self, wish: Wish) -> None:
        following = self._followed.get(key_of(wish))
        if isinstance(following, PriceFollowing) and isinstance(wish, FollowPrices):
            if following.symbols is None:
                raise Refused("You follow all markets; leave the channel instead.", code="follows_everything")
            following.drop(markets(wish) or frozenset())
        elif following is not None:
            self._followed.pop(key_of(wish)).end()

    def _fresh(self, wish: Wish) -> int:
        """Return how many things `wish` would add to what is followed."""
        old = self._followed.get(key_of(wish))
        if isinstance(wish, FollowPrices):
            known = old.symbols or frozenset() if isinstance(old, PriceFollowing) else frozenset()
            return len((markets(wish) or frozenset()) - known)
        return 0 if old is not None else 1

    def _count(self) -> int:
        """Return how many things are followed."""
        return sum(
            len(each.symbols or ()) if isinstance(each, PriceFollowing) else 1 for each in self._followed.values()
        )
