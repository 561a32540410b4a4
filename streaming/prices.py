"""The prices of one exchange: all clients of a market get the same bytes; recent ones are kept for resuming clients."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from streaming import events
from streaming.client import Client
from streaming.events import Event
from streaming.hub import Hub
from streaming.subscription import HEARTBEAT_SECONDS, decode_all
from streaming.topic import Topic
from utils import json, wire
from utils.wire import StreamEvent, Subscribe

KEPT = 10_000
"""Events to resume from, of all markets of an exchange."""

MOST_REPLAYED = 1000
"""A client that missed more begins anew: memory per client is bounded."""

AT_ONCE = 200_000
"""How many deliveries may be made up for in one go (about half a second: what is written to a client at once costs one
call of the system); beyond, the newest price of each market stands for those before it."""


class PriceFeed:
    """Number, keep and fan out the prices of one exchange; the engine gives the ids."""

    def __init__(self, exchange: str, hub: Hub) -> None:
        self.exchange = exchange
        self.name = f"prices of {exchange}"
        self.topics: dict[str, Topic] = {}
        self.everything = Topic()
        self.latest: dict[str, Event] = {}
        self.last_id: int | None = None
        self.listeners: list[set[str]] = []
        """Sets that are told which markets moved."""
        self._hub = hub
        self._kept: deque[tuple[str, Event]] = deque(maxlen=KEPT)
        self._reset: Event | None = None
        self._waiting: dict[PriceFollowing, int | None] = {}
        self._is_ready = False

    # --------------------------------------------------------------------------------------------- from the engine

    def request(self) -> Subscribe:
        """Ask for all that is kept, until it was told to its end; then for what came after the last event."""
        if not self._is_ready:
            self._kept.clear()
            self.latest.clear()
            self.last_id = None
        return Subscribe(
            exchange=self.exchange,
            since_id=self.last_id,
            history=self.last_id is None,
            heartbeat=HEARTBEAT_SECONDS,
        )

    def receive(self, frames: list[bytes]) -> None:
        """Keep the prices, and write them to who follows them."""
        batch: list[tuple[str, Event]] = []
        for stream_event in decode_all(frames, wire.decode_event):
            if stream_event.payload is None:
                self._publish(batch)
                batch = []
                self._start_anew(stream_event.id)
            else:
                batch.append((stream_event.payload.symbol, _event(stream_event)))
        self._publish(batch)
        if not self._is_ready and not all(frames):
            # an empty frame ends the history: before it, a client who resumes might seem to know the future
            self._is_ready = True
            for following, since_id in self._waiting.items():
                following.start(since_id)
            self._waiting.clear()

    def _publish(self, batch: list[tuple[str, Event]]) -> None:
        if not batch:
            return
        self._kept.extend(batch)
        self.latest.update(batch)
        chosen = self._coalesced(batch)
        for symbol, event in chosen:
            # before it is written: a client whose buffer is full then has got everything up to this one
            self.last_id = event.id
            topic = self.topics.get(symbol)
            if topic is not None:
                self._hub.deliveries += topic.publish((event,))
        self.last_id = batch[-1][1].id
        if self.everything:
            self._hub.deliveries += self.everything.publish([event for _, event in chosen])
        for moved in self.listeners:
            moved.update(symbol for symbol, _ in batch)

    def _coalesced(self, batch: list[tuple[str, Event]]) -> list[tuple[str, Event]]:
        """Return the events to write: of a market that has fallen behind only the newest."""
        newest = dict(batch)
        if len(newest) == len(batch):
            return batch
        crowd = len(self.everything)
        writes = sum(crowd + len(self.topics.get(symbol, ())) for symbol, _ in batch)
        if writes <= AT_ONCE:
            return batch
        self._hub.coalesced += len(batch) - len(newest)
        return [(symbol, event) for symbol, event in batch if newest[symbol] is event]

    def _start_anew(self, reset_id: int) -> None:
        """Tell everybody that events are missing: the engine does not know the last one any more."""
        self._kept.clear()
        self.latest.clear()
        self.last_id = reset_id
        self._reset = events.reset(reset_id)
        for client in {client for topic in (self.everything, *self.topics.values()) for client in _members(topic)}:
            client.send((self._reset,))

    # ---------------------------------------------------------------------------------------------- to the clients

    def begin(self, following: PriceFollowing, since_id: int | None) -> None:
        """Start `following`, as soon as it is known what was missed."""
        if self._is_ready:
            following.start(since_id)
        else:
            self._waiting[following] = since_id

    def backlog(self, symbols: frozenset[str] | None, since_id: int | None) -> list[Event]:
        """Return what came after `since_id`; the newest price of each market for None, or when that is not kept."""
        if since_id is not None and self._reaches_back_to(since_id):
            missed = [e for symbol, e in self._kept if e.id > since_id and (symbols is None or symbol in symbols)]
            if len(missed) <= MOST_REPLAYED:
                return missed
        snapshot = self.newest(symbols)
        if since_id is None:
            return snapshot
        first = snapshot[0].id - 1 if snapshot else self.last_id or 0
        return [events.reset(first), *snapshot]

    def newest(self, symbols: frozenset[str] | None, since_id: int = 0) -> list[Event]:
        """Return the newest price of each of the markets that moved after `since_id`, oldest first."""
        moved = [
            event
            for symbol, event in self.latest.items()
            if event.id > since_id and (symbols is None or symbol in symbols)
        ]
        moved.sort(key=lambda event: event.id)
        if self._reset is not None and self._reset.id > since_id > 0:
            return [self._reset, *moved]
        return moved

    def knows(self, symbols: Iterable[str] | None) -> bool:
        """Tell whether there have been prices of all these markets; None means any."""
        return bool(self.latest) if symbols is None else all(symbol in self.latest for symbol in symbols)

    def topics_of(self, symbols: frozenset[str] | None) -> Iterable[Topic]:
        """Return the topics of these markets; None means every market."""
        if symbols is None:
            return (self.everything,)
        return [self.topics.setdefault(symbol, Topic()) for symbol in symbols]

    def leave(self, client: Client, symbols: frozenset[str] | None) -> None:
        """Let `client` follow these markets no more."""
        if symbols is None:
            self.everything.discard(client)
        for symbol in symbols or ():
            topic = self.topics.get(symbol)
            if topic is not None:
                topic.discard(client)
                if not topic:
                    del self.topics[symbol]

    def forget(self, following: PriceFollowing) -> None:
        """Let somebody wait no longer."""
        self._waiting.pop(following, None)

    def _reaches_back_to(self, since_id: int) -> bool:
        return bool(self._kept) and self._kept[0][1].id - 1 <= since_id <= (self.last_id or 0)


class PriceFollowing:
    """One client who follows some markets of an exchange, or all.

    There is one of them per client and exchange, so that what it makes up for comes in the order of the ids: a client
    that is cut in the middle of it can resume.
    """

    __slots__ = ("_is_started", "client", "feed", "seen", "since_id", "symbols")

    def __init__(self, feed: PriceFeed, client: Client, symbols: frozenset[str] | None, since_id: int | None) -> None:
        self.feed = feed
        self.client = client
        self.symbols = symbols
        self.since_id = since_id
        self.seen = 0
        self._is_started = False

    def begin(self) -> None:
        """Write what was missed, then what happens."""
        self.feed.begin(self, self.since_id)

    def start(self, since_id: int | None) -> None:
        """Begin now."""
        self._is_started = True
        # what was missed may fill the buffer already
        self.seen = self.feed.last_id or 0
        self.client.send(self.feed.backlog(self.symbols, since_id))
        self._join()

    def add(self, symbols: frozenset[str] | None, since_id: int | None) -> None:
        """Follow more markets; None means all."""
        if self.symbols is None and symbols is not None:
            return  # they come already
        before = self.symbols
        self.symbols = None if symbols is None or before is None else before | symbols
        if not self._is_started:
            self.feed.begin(self, since_id)
            return
        self.feed.leave(self.client, before)
        self.client.send(self.feed.backlog(symbols, since_id))
        self._join()

    def drop(self, symbols: frozenset[str]) -> None:
        """Follow these markets no more."""
        if self.symbols is not None:
            self.feed.leave(self.client, symbols)
            self.symbols -= symbols

    def pause(self) -> None:
        """Take no part for now."""
        if self._is_started:
            self.seen = self.feed.last_id or 0
            self.feed.leave(self.client, self.symbols)

    def resume(self) -> None:
        """Write the newest price of each market that moved meanwhile: of prices the newest wins."""
        if self._is_started:
            self.client.send(self.feed.newest(self.symbols, self.seen))
            self._join()

    def end(self) -> None:
        """Take no part any more."""
        self.feed.forget(self)
        self.feed.leave(self.client, self.symbols)

    def _join(self) -> None:
        if not self.client.is_paused:
            for topic in self.feed.topics_of(self.symbols):
                topic.add(self.client)


def _members(topic: Topic) -> list[Client]:
    return [*topic.sse, *topic.ws]


def _event(event: StreamEvent) -> Event:
    return Event(event.id, event.event, json.dumps(event.payload))
