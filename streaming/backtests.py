"""Progress of backtests: their processes write it to SQL, and one query reads it for all clients."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from services.backtests.progress import Step
from streaming import events
from streaming.client import Client
from streaming.events import Event
from streaming.hub import Hub
from streaming.readers import Readers
from utils import json
from utils.errors import TradingError

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.25
FINISHED = 1000
"""How a WebSocket is closed when nothing more will come."""

INTERNAL_ERROR = 1011

Steps = Callable[[Iterable[str]], Mapping[str, Step]]


class BacktestFeed:
    """Look how far the runs are that somebody follows."""

    def __init__(self, hub: Hub, read: Steps, readers: Readers) -> None:
        self.hub = hub
        self.followings: defaultdict[str, set[BacktestFollowing]] = defaultdict(set)
        self._read = read
        self._readers = readers
        self._failed = False

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self.followings:
                await self.look()

    async def look(self) -> None:
        """Write what is new to whom it concerns."""
        asked = list(self.followings)
        try:
            found = await self._readers.ask(self._read, asked)
        except Exception as error:  # the next look may do better
            if not self._failed:
                trace = None if isinstance(error, TradingError) else error
                _log.warning("how far backtests have come cannot be read: %s", error, exc_info=trace)
            self._failed = True
            return
        self._failed = False
        for run_id in asked:
            try:
                self._offer(run_id, found.get(run_id))
            except Exception:  # what one run does not survive must not end the others
                _log.exception("how far the backtest %s has come cannot be told", run_id)
                for following in list(self.followings.get(run_id, ())):
                    following.client.leave(INTERNAL_ERROR, "failed")

    def _offer(self, run_id: str, step: Step | None) -> None:
        event = None if step is None else made(step)
        for following in list(self.followings.get(run_id, ())):
            following.offer(step, event)


class BacktestFollowing:
    """One client who follows a run; `position` is the id of the last event they have."""

    __slots__ = ("_is_ended", "client", "feed", "position", "run_id")

    def __init__(self, feed: BacktestFeed, client: Client, run_id: str, since_id: int | None) -> None:
        self.feed = feed
        self.client = client
        self.run_id = run_id
        self.position = since_id
        self._is_ended = False

    def begin(self) -> None:
        """Write how far it is at the next look."""
        self.feed.followings[self.run_id].add(self)

    def pause(self) -> None:
        """Write nothing: the next look tells all."""

    def resume(self) -> None:
        """Wait for the next look."""

    def end(self) -> None:
        """Write nothing any more."""
        self._is_ended = True
        followings = self.feed.followings.get(self.run_id)
        if followings is not None:
            followings.discard(self)
            if not followings:
                del self.feed.followings[self.run_id]

    def offer(self, step: Step | None, event: Event | None) -> None:
        """Write a step unless the client has it, and close after the last one; None says that the run was deleted."""
        if self._is_ended or self.client.is_paused or self.client.closing:
            return
        if step is not None and event is not None and step.id != self.position:
            # an id from beyond was never given: it is from before a backup was restored
            is_lost = self.position is not None and self.position > step.id
            self.client.send((events.reset(step.id), event) if is_lost else (event,))
            self.position = step.id
            self.feed.hub.deliveries += 1
        if step is None or step.is_last:
            self.client.leave(FINISHED, "finished")


def made(step: Step) -> Event:
    """Return the event of a step."""
    return Event(step.id, "backtest", json.dumps(step.progress), step.progress.updated_at)
