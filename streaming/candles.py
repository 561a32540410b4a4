"""Running candles. The engine makes them; the streamer asks for those that somebody follows when their market moves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from streaming import events
from streaming.client import Client
from streaming.events import Event
from streaming.hub import Hub
from streaming.readers import Readers
from streaming.tasks import Tasks
from streaming.topic import Topic
from utils import json
from utils.errors import TradingError
from utils.wire import TIMEFRAMES, Candle, GetCandles

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.25
READS_PER_SECOND = 100
"""What the engine is asked at most, however many candles are followed."""

MOST_REPLAYED = 1000
"""A client that missed more begins anew; it is what one question can bring."""

MOST_TOPICS = 1000
"""How many different candles may be followed at a time."""

TRY_AGAIN_LATER = 1013
Key = tuple[str, str, str]
"""Exchange, symbol, time frame."""


class CandleFeed:
    """Keep the candles that are followed up to date."""

    def __init__(self, hub: Hub, read: Callable[[GetCandles], list[Candle]], readers: Readers, tasks: Tasks) -> None:
        self.hub = hub
        self.tasks = tasks
        self.topics: dict[Key, CandleTopic] = {}
        self.moved: dict[str, set[str]] = {}
        """Symbols whose price has changed since they were looked at, by exchange."""
        self._read = read
        self._readers = readers

    async def read(self, query: GetCandles) -> list[Candle]:
        """Ask the engine. :raises TradingError: it does not answer."""
        return await self._readers.ask(self._read, query)

    def topic(self, key: Key) -> CandleTopic:
        """Return the topic of a candle."""
        return self.topics.setdefault(key, CandleTopic(key))

    def leave(self, client: Client, key: Key) -> None:
        """Let `client` follow a candle no more; one that nobody follows is not asked for."""
        topic = self.topics.get(key)
        if topic is not None:
            topic.subscribers.discard(client)
            if not topic.subscribers and not topic.joining:
                del self.topics[key]

    async def run(self) -> None:
        """Look for candles that have changed, until cancelled."""
        while True:
            await asyncio.sleep(max(LOOK_SECONDS, len(self.topics) / READS_PER_SECOND))
            due = [topic for topic in self.topics.values() if self._is_due(topic)]
            for moved in self.moved.values():
                moved.clear()
            await asyncio.gather(*(self._update(topic) for topic in due))

    def _is_due(self, topic: CandleTopic) -> bool:
        exchange, symbol, _ = topic.key
        return bool(topic.subscribers) and (
            topic.failed or symbol in self.moved.get(exchange, ()) or topic.ends_at <= time.time()
        )

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
        self.length_ms = TIMEFRAMES[key[2]] * 1000
        self.reading = asyncio.Lock()
        """One question at a time, so that no answer is older than what was written."""

    @property
    def ends_at(self) -> float:
        """Return when the newest candle closes (Unix seconds)."""
        return 0.0 if self.newest is None else (self.newest.timestamp + self.length_ms) / 1000

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
        elapsed = time.time() * 1000 - since
        return elapsed < 0 or elapsed > (MOST_REPLAYED - 1) * self.length_ms

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

    def begin(self) -> None:
        """Write what was missed, then what happens."""
        if not self._is_joining and not self._is_ended:
            self._is_joining = True
            self.feed.tasks.spawn(self._join())

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
        self._is_ended = True
        self.feed.leave(self.client, self.key)

    async def _join(self) -> None:
        topic = self.feed.topic(self.key)
        topic.joining += 1  # so that it stays while nobody is in it yet
        try:
            async with topic.reading:
                await self._come_up_to(topic)
        except TradingError as error:
            _log.info("a client cannot follow candles: %s", error.detail)
            self.client.leave(TRY_AGAIN_LATER, "candles")
        finally:
            self._is_joining = False
            topic.joining -= 1
            if self._is_ended or self.client.is_paused:
                self.feed.leave(self.client, self.key)

    async def _come_up_to(self, topic: CandleTopic) -> None:
        """Write what is missing and take part."""
        since = None if self.seen is None else self.seen // topic.length_ms * topic.length_ms
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
