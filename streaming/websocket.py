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
from streaming.followings import EVERYTHING, Key, key_of, make
from streaming.hub import Hub
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
        self.transport.write(events.message("position", id, b"{}"))

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
        fresh = [wish for wish in wishes if key_of(wish) not in self._followed]
        if len(self._followed) + len(fresh) > MOST_FOLLOWED:
            raise Refused(f"Follow at most {MOST_FOLLOWED} things over one socket.", code="too_many_subscriptions")
        await self._check(self.caller, wishes)
        if self.closing:
            return
        self.transport.write(actions.answer("subscribed", action.id, actions.content(action.channel, wishes)))
        for wish in wishes:
            self._follow(wish)

    def _follow(self, wish: Wish) -> None:
        replaced = [key_of(wish)]
        if isinstance(wish, FollowPrices):
            everything = ("prices", wish.exchange, EVERYTHING)
            if wish.symbols is None:
                replaced = [key for key in self._followed if key[:2] == everything[:2]]
            elif everything in self._followed:
                return  # it comes already
        for key in replaced:
            self._end(key)
        self._followed[key_of(wish)] = following = make(self._feeds, self, wish)
        following.begin()

    def _end(self, key: Key) -> None:
        following = self._followed.pop(key, None)
        if following is not None:
            following.end()

    def _unsubscribe(self, action: Unsubscribe) -> None:
        for key in self._named(action):
            self._end(key)
        self.transport.write(actions.answer("unsubscribed", action.id, {"channel": action.channel}))

    def _named(self, action: Unsubscribe) -> list[Key]:
        if action.symbol is None and action.symbols is None:
            actions.check_channel(action.channel, self._kind)
            return [key for key in self._followed if key[0] == action.channel]
        return [key_of(wish) for wish in actions.wishes(action, self._kind)]
