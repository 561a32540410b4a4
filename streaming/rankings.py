"""Rankings of tournaments: asked for once a second for all who follow one, written when they have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from streaming.client import Client
from streaming.events import Event
from streaming.hub import Hub
from streaming.readers import Readers
from streaming.topic import Topic
from utils import json
from utils.clock import to_ms
from utils.errors import Overloaded, TradingError

_log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
READS_PER_SECOND = 20
"""What the database is asked at most, however many rankings are followed."""

MOST_TOPICS = 200
"""How many rankings may be followed at a time."""

THREADS = 2
TRY_AGAIN_LATER = 1013


class Snapshot(Protocol):
    """The first rows of a ranking; see `services.tournaments.rankings`."""

    @property
    def as_of(self) -> datetime:
        """Return when they were computed."""


class RankingTopic:
    """One tournament's ranking, and who follows it."""

    def __init__(self, tournament: str) -> None:
        self.tournament = tournament
        self.subscribers = Topic()
        self.newest: Event | None = None
        self.reading = asyncio.Lock()
        self.failed = False
        self._payload = b""
        self._as_of: datetime | None = None

    def take(self, snapshot: Snapshot) -> Event | None:
        """Return the event of a ranking that is another one and not an older one, else None; ids grow."""
        payload = json.dumps(snapshot)
        if payload == self._payload or (self._as_of is not None and snapshot.as_of < self._as_of):
            return None
        id = to_ms(snapshot.as_of)
        if self.newest is not None:
            id = max(id, self.newest.id + 1)
        self._payload, self._as_of, self.newest = payload, snapshot.as_of, Event(id, "ranking", payload)
        return self.newest


class RankingFeed:
    """Keep the rankings that are followed up to date."""

    def __init__(self, hub: Hub, read: Callable[[str], Snapshot]) -> None:
        self.hub = hub
        self.topics: dict[str, RankingTopic] = {}
        self._read = read
        self._readers = Readers(THREADS, "rankings")

    def topic(self, tournament: str) -> RankingTopic:
        """Return the topic of a ranking. :raises Overloaded: `rankings_exhausted` when too many are followed."""
        if tournament not in self.topics:
            if len(self.topics) >= MOST_TOPICS:
                raise Overloaded("Too many different rankings are followed.", code="rankings_exhausted", retry_after=5)
            self.topics[tournament] = RankingTopic(tournament)
        return self.topics[tournament]

    def leave(self, client: Client, tournament: str) -> None:
        """Let `client` follow a ranking no more; one that nobody follows is not asked for."""
        topic = self.topics.get(tournament)
        if topic is not None:
            topic.subscribers.discard(client)
            if not topic.subscribers:
                del self.topics[tournament]

    async def run(self) -> None:
        """Look for rankings that have changed, until cancelled."""
        while True:
            await asyncio.sleep(max(LOOK_SECONDS, len(self.topics) / READS_PER_SECOND))
            await asyncio.gather(*map(self.update, list(self.topics.values())))

    async def update(self, topic: RankingTopic) -> None:
        """Ask for a ranking, and write it to all who follow it when it is another one."""
        try:
            async with topic.reading:
                event = topic.take(await self._readers.ask(self._read, topic.tournament))
            if event is not None:
                self.hub.deliveries += topic.subscribers.publish([event])
            topic.failed = False
        except Exception as error:  # what one ranking does not survive must not end the others
            if not topic.failed:
                trace = None if isinstance(error, TradingError) else error
                _log.warning("the ranking of tournament %s cannot be read: %s", topic.tournament, error, exc_info=trace)
            topic.failed = True

    def close(self) -> None:
        """Take no more questions."""
        self._readers.close()


class RankingFollowing:
    """One client who follows a ranking; `seen` is the id of the newest one they have."""

    __slots__ = ("_is_ended", "client", "feed", "seen", "tournament")

    def __init__(self, feed: RankingFeed, client: Client, tournament: str, since_id: int | None) -> None:
        self.feed = feed
        self.client = client
        self.tournament = tournament
        self.seen = since_id
        self._is_ended = False

    def begin(self) -> None:
        """Write the ranking as it is now, unless the client has it, then each that follows."""
        if self._is_ended:
            return
        try:
            topic = self.feed.topic(self.tournament)
        except Overloaded as error:
            _log.info("a client cannot follow a ranking: %s", error.detail)
            self.client.leave(TRY_AGAIN_LATER, "rankings")
            return
        topic.subscribers.add(self.client)
        if topic.newest is None:
            self.feed.hub.tasks.spawn(self.feed.update(topic))
        elif topic.newest.id != self.seen:
            self.client.send((topic.newest,))

    def pause(self) -> None:
        """Take no part for now."""
        topic = self.feed.topics.get(self.tournament)
        if topic is not None:
            self.seen = None  # the newest one may not have been written whole
            self.feed.leave(self.client, self.tournament)

    def resume(self) -> None:
        """Write the newest ranking: those in between are of no use any more."""
        self.begin()

    def end(self) -> None:
        """Take no part any more."""
        self._is_ended = True
        self.feed.leave(self.client, self.tournament)
