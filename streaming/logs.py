"""Log records of all processes as they are written: read from the end of the log files while anybody follows them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path

from services.operations.logs import LogRecord, matcher, record_of
from streaming.client import Client
from streaming.events import Event
from streaming.hub import Hub
from streaming.readers import Readers
from utils import json
from utils.errors import TradingError
from utils.follow import FollowLogs
from utils.log_files import Tail

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.25
RIGHTS_SECONDS = 2.0
"""How often it is asked who may still read the log."""

FORBIDDEN = 4403
Among = Callable[[Collection[str]], set[str]]
"""Returns those of some users who may read the log; see `services.operations.log_readers`."""


class LogFeed:
    """Follow the files for all clients together. Ids count what this streamer has read."""

    def __init__(self, hub: Hub, directory: Path, may_read: Among, readers: Readers) -> None:
        self.hub = hub
        self.followings: set[LogFollowing] = set()
        self._directory = directory
        self._may_read = may_read
        self._readers = readers
        self._tail: Tail | None = None
        self.count = 0
        self._failed = False

    def open(self) -> None:
        """Miss nothing that is said from now on."""
        if self._tail is None:
            self._tail = Tail(self._directory)

    def join(self, following: LogFollowing) -> None:
        """Write to `following` what is said from now on, or since `open`."""
        self.open()
        self.followings.add(following)

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        checked = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
                if time.monotonic() - checked >= RIGHTS_SECONDS:
                    await self.cut_others()
                    checked = time.monotonic()
                self._failed = False
            except Exception as error:  # the next look may do better
                if not self._failed:
                    trace = None if isinstance(error, (TradingError, OSError)) else error
                    _log.warning("the log cannot be followed: %s", error, exc_info=trace)
                self._failed = True

    async def look(self) -> None:
        """Write what was said since the last look; let go of the files when nobody follows."""
        tail = self._tail
        if tail is None:
            return
        if not self.followings:
            self._tail = None
            tail.close()
            return
        for record in await self._readers.ask(_records, tail):
            self.count += 1
            event = Event(self.count, "log", json.dumps(record), record.time)
            for following in list(self.followings):
                following.offer(record, event)

    async def cut_others(self) -> None:
        """Cut who may not read the log any more."""
        users = {following.client.caller.user_id for following in self.followings}
        if users:
            allowed = await self._readers.ask(self._may_read, users)
            for following in list(self.followings):
                if following.client.caller.user_id not in allowed:
                    following.client.leave(FORBIDDEN, "forbidden")


class LogFollowing:
    """One client who follows the log; what comes while they do not read is counted, and not kept."""

    __slots__ = ("_matches", "_missed", "client", "feed")

    def __init__(self, feed: LogFeed, client: Client, wish: FollowLogs) -> None:
        self.feed = feed
        self.client = client
        self._matches = matcher(level=wish.level, logger=wish.logger, search=wish.search)
        self._missed = 0

    def begin(self) -> None:
        """Write what is said from now on."""
        self.feed.join(self)

    def pause(self) -> None:
        """Count what the client misses."""

    def resume(self) -> None:
        """Tell how much the client has missed, and go on."""
        if self._missed:
            missed, self._missed = self._missed, 0
            self.client.send((Event(self.feed.count, "missed", json.dumps({"count": missed})),))

    def end(self) -> None:
        """Write nothing any more."""
        self.feed.followings.discard(self)

    def offer(self, record: LogRecord, event: Event) -> None:
        """Write a record that is wanted."""
        if self.client.closing or not self._matches(record):
            return
        if self.client.is_paused:
            self._missed += 1
            return
        self.client.send((event,))
        self.feed.hub.deliveries += 1


def _records(tail: Tail) -> list[LogRecord]:
    """Return what was said since the last call; lines that were cut short are left out."""
    return [record for line in tail.read() if (record := record_of(line)) is not None]
