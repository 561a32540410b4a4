"""Running candles. The engine makes them; the streamer asks for those that somebody follows when their market moves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from streaming import events
from streaming.client import Client
from streaming.events import Event
from streaming.hub import Hub
from streaming.readers import Readers
from streaming.topic import Topic
from utils import json, timeframes
from utils.errors import Overloaded, TooMany, TradingError
from utils.wire import Candle, GetCandles

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.25
READS_PER_SECOND = 100
"""What the engine is asked at most, however many candles are followed."""

MOST_REPLAYED = 1000
"""A client that missed more begins anew; it is what one question can bring."""

MOST_TOPICS = 1000
"""How many different candles may be followed at a time."""

MOST_PER_USER = 200
"""How many of them one user may follow, over all their connections."""

THREADS = 2
TRY_AGAIN_LATER = 1013
Key = tuple[str, str, str]
"""Exchange, symbol, time frame."""


class CandleFeed:
    """Keep the candles that are followed up to date; each exchange for itself, since any of them may hang."""

    def __init__(self, hub: Hub, exchanges: Sequence[str], read: Callable[[GetCandles], list[Candle]]) -> None:
        self.hub = hub
        self.topics: dict[Key, CandleTopic] = {}
        self.moved: dict[str, set[str]] = {}
        """Symbols whose price has changed since they were looked at, by exchange."""
        self._held: dict[str, Counter[Key]] = {}
        """How many of a user's followings each candle has, by user."""
        self._read = read
        self._readers: dict[str, Readers] = {}
        for exchange in exchanges:
            self.add(exchange)

    def add(self, exchange: str) -> None:
        """Let candles of `exchange` be followed."""
        self.moved[exchange] = set()
        self._readers[exchange] = Readers(THREADS, f"candles of {exchange}")

    async def read(self, query: GetCandles) -> list[Candle]:
        """Ask the engine. :raises TradingError: it does not answer."""
        return await self._readers[query.exchange].ask(self._read, query)

    def check_share(self, user_id: str, keys: Collection[Key]) -> None:
        """Let a user follow `keys` beside what they follow. :raises TooMany: `too_many_candles`."""
        if len({*self._held.get(user_id, ()), *keys}) > MOST_PER_USER:
            detail = f"Follow at most {MOST_PER_USER} different candles."
            raise TooMany(detail, code="too_many_candles", retry_after=5)

    def hold(self, user_id: str, key: Key) -> None:
        """Count a candle to a user's share, until `release`."""
        self._held.setdefault(user_id, Counter())[key] += 1

    def release(self, user_id: str, key: Key) -> None:
        """Count it no more."""
        held = self._held[user_id]
        held[key] -= 1
        if not held[key]:
            del held[key]
        if not held:
            del self._held[user_id]

    def topic(self, key: Key) -> CandleTopic:
        """Return the topic of a candle. :raises Overloaded: `candles_exhausted` when too many are followed."""
        topic = self.topics.get(key)
        if topic is None:
            if len(self.topics) >= MOST_TOPICS:
                raise Overloaded("Too many different candles are followed.", code="candles_exhausted", retry_after=5)
            topic = self.topics[key] = CandleTopic(key)
        return topic

    def leave(self, client: Client, key: Key) -> None:
        """Let `client` follow a candle no more; one that nobody follows is not asked for."""
        topic = self.topics.get(key)
        if topic is not None:
            topic.subscribers.discard(client)
            if not topic.subscribers and not topic.joining:
                del self.topics[key]

    async def run(self, exchange: str) -> None:
        """Look for candles of `exchange` that have changed, until cancelled."""
        moved = self.moved[exchange]
        while True:
            await asyncio.sleep(max(LOOK_SECONDS, len(self.topics) / READS_PER_SECOND))
            due = [topic for topic in self.topics.values() if topic.key[0] == exchange and topic.is_due(moved)]
            moved.clear()
            await asyncio.gather(*map(self._update, due))

    def close(self) -> None:
        """Take no more questions."""
        for readers in self._readers.values():
            readers.close()

    async def _update(self, topic: CandleTopic) -> None:
        try:
            async with topic.reading:
                candles = await self.read(topic.query(topic.newest.timestamp if topic.newest else None))
                self.hub.deliveries += topic.publish(candles)
            topic.failed = False
        except TradingError as error:
            if not topic.failed:
                _log.warning("the candles of %s cannot be read: %s", " ".join(topic.key), error.detail)
            topic.failed = True


class CandleTopic:
    """One market's candles of one length, and who follows them."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.subscribers = Topic()
        self.joining = 0
        self.newest: Candle | None = None
        self.failed = False
        self.timeframe = key[2]
        self.reading = asyncio.Lock()
        """One question at a time, so that no answer is older than what was written."""

    def is_due(self, moved: Collection[str]) -> bool:
        """Tell whether there may be something new: its market moved, or the newest candle has closed."""
        return bool(self.subscribers) and (self.failed or self.key[1] in moved or self._ends_at <= time.time())

    @property
    def _ends_at(self) -> float:
        """Return when the newest candle closes (Unix seconds)."""
        return 0.0 if self.newest is None else timeframes.shifted(self.timeframe, self.newest.timestamp, 1) / 1000

    def query(self, since: int | None) -> GetCandles:
        """Return what to ask for: the two newest candles, or those from the opening `since` on."""
        exchange, symbol, timeframe = self.key
        limit = 2 if since is None else MOST_REPLAYED
        return GetCandles(exchange=exchange, symbol=symbol, timeframe=timeframe, limit=limit, since=since)

    def publish(self, candles: Sequence[Candle]) -> int:
        """Write what is new among `candles`; return how many events were delivered."""
        fresh = [candle for candle in candles if self._is_new(candle)]
        if not fresh:
            return 0
        self.newest = fresh[-1]
        return self.subscribers.publish([made(candle) for candle in fresh])

    def is_beyond(self, since: int) -> bool:
        """Tell whether one question cannot bring what followed `since`: too much was missed, or it is yet to come."""
        now = int(time.time() * 1000)
        return since > now or since < timeframes.shifted(self.timeframe, now, 1 - MOST_REPLAYED)

    def _is_new(self, candle: Candle) -> bool:
        newest = self.newest
        if newest is None or candle.timestamp > newest.timestamp:
            return True
        # an exchange's answers are kept for a moment: one with less volume is older than the one before
        return candle.timestamp == newest.timestamp and candle != newest and candle.volume >= newest.volume


class CandleFollowing:
    """One client who follows a candle. `seen` is the opening of the newest one they have."""

    __slots__ = ("_is_ended", "_is_joining", "client", "feed", "key", "seen")

    def __init__(self, feed: CandleFeed, client: Client, key: Key, since_id: int | None) -> None:
        self.feed = feed
        self.client = client
        self.key = key
        self.seen = since_id
        self._is_joining = False
        self._is_ended = False
        feed.hold(client.caller.user_id, key)

    def begin(self) -> None:
        """Write what was missed, then what happens."""
        if not self._is_joining and not self._is_ended:
            self._is_joining = True
            self.feed.hub.tasks.spawn(self._join())

    def pause(self) -> None:
        """Take no part for now."""
        topic = self.feed.topics.get(self.key)
        if topic is not None and topic.newest is not None and not self._is_joining:
            self.seen = topic.newest.timestamp
        self.feed.leave(self.client, self.key)

    def resume(self) -> None:
        """Write what the candles are now, from the one that ran when the client stopped reading."""
        self.begin()

    def end(self) -> None:
        """Take no part any more."""
        if not self._is_ended:
            self._is_ended = True
            self.feed.release(self.client.caller.user_id, self.key)
        self.feed.leave(self.client, self.key)

    async def _join(self) -> None:
        try:
            topic = self.feed.topic(self.key)
            topic.joining += 1  # so that it stays while nobody is in it yet
            try:
                async with topic.reading:
                    await self._come_up_to(topic)
            finally:
                topic.joining -= 1
                if self.client not in topic.subscribers:
                    self.feed.leave(self.client, self.key)
        except TradingError as error:
            _log.info("a client cannot follow candles: %s", error.detail)
            self.client.leave(TRY_AGAIN_LATER, "candles")
        finally:
            self._is_joining = False

    async def _come_up_to(self, topic: CandleTopic) -> None:
        """Write what is missing and take part."""
        since = None if self.seen is None else timeframes.opening(topic.timeframe, self.seen)
        written: list[Event] = []
        if since is not None and topic.is_beyond(since):
            written.append(events.reset(since))
            since = None
        candles = await self.feed.read(topic.query(since))
        if self._is_ended or self.client.is_paused:
            return
        self.feed.hub.deliveries += topic.publish(candles)
        self.seen = candles[-1].timestamp if candles else since
        self.client.send([*written, *map(made, candles)])
        if not self.client.is_paused:
            topic.subscribers.add(self.client)


def made(candle: Candle) -> Event:
    """Return the event of a candle; its id is the opening, so that resuming repeats the candle that ran."""
    return Event(candle.timestamp, "candle", json.dumps(candle))
