"""What happens to users' accounts: told live by the engine, and read from SQL where somebody has missed something."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from streaming import events
from streaming.client import Client
from streaming.events import Event
from streaming.hub import Hub
from streaming.readers import Readers
from streaming.subscription import HEARTBEAT_SECONDS, decode_all
from utils import wire
from utils.errors import TradingError
from utils.wire import AccountEvent, SubscribeAccountEvents

_log = logging.getLogger(__name__)
PAGE = 200
TRY_AGAIN_LATER = 1013


class Span(Protocol):
    """The ids that a user's events have."""

    @property
    def newest(self) -> int:
        """Return the last one."""


class EventLog(Protocol):
    """Where account events are kept; see `services.accounts.events`."""

    def since(self, user_id: str, since_id: int, *, limit: int) -> list[AccountEvent] | None:
        """Return a page of what followed `since_id`; None when that is not kept, or never was."""

    def span(self, user_id: str) -> Span:
        """Return the ids that a user's events have."""


class AccountFeed:
    """Pass on what the engine commits. Ids grow by one per user, so whoever misses something notices."""

    name = "account events"

    def __init__(self, hub: Hub, log: EventLog, readers: Readers) -> None:
        self.hub = hub
        self.log = log
        self.readers = readers
        self.followings: defaultdict[str, set[AccountFollowing]] = defaultdict(set)

    def request(self) -> SubscribeAccountEvents:
        """Ask for what is committed from now on."""
        return SubscribeAccountEvents(heartbeat=HEARTBEAT_SECONDS)

    def receive(self, frames: list[bytes]) -> None:
        """Write what was committed to whom it concerns."""
        for batch in decode_all(frames, wire.decode_account_events):
            if not batch:
                # the subscription holds: what was committed before is in SQL
                for following in [each for followings in self.followings.values() for each in followings]:
                    following.catch_up()
            for event in batch:
                followings = self.followings.get(event.user_id)
                if followings:
                    made = Event(event.id, event.type, event.payload, event.created_at)
                    for following in list(followings):
                        following.offer(event, made)


class AccountFollowing:
    """One client who follows their accounts, or one of them; `position` is the last event they have, or skipped."""

    __slots__ = ("_is_ended", "_is_reading", "_newest", "account", "client", "feed", "position")

    def __init__(self, feed: AccountFeed, client: Client, account: str | None, since_id: int | None) -> None:
        self.feed = feed
        self.client = client
        self.account = account
        self.position = since_id
        self._newest = 0
        self._is_reading = False
        self._is_ended = False

    def begin(self) -> None:
        """Write what was missed, then what happens."""
        self.feed.followings[self.client.caller.user_id].add(self)
        self.catch_up()

    def pause(self) -> None:
        """Write nothing: the client stays at its position."""

    def resume(self) -> None:
        """Go on from there."""
        self.catch_up()

    def end(self) -> None:
        """Write nothing any more."""
        self._is_ended = True
        user = self.client.caller.user_id
        followings = self.feed.followings.get(user)
        if followings is not None:
            followings.discard(self)
            if not followings:
                del self.feed.followings[user]

    def offer(self, event: AccountEvent, made: Event) -> None:
        """Write an event that is the next one; SQL has it too, so that any other way can wait."""
        self._newest = max(self._newest, event.id)
        if self._is_reading or self.client.is_paused:
            return
        if self.position is not None and event.id == self.position + 1 and self.can_tell(event):
            self._write(event, made)
            self.feed.hub.deliveries += 1
        elif self.position is None or event.id > self.position:
            self.catch_up()

    def can_tell(self, event: AccountEvent) -> bool:  # noqa: ARG002
        """Tell whether `concerns` can be answered; where it cannot, the event is read from SQL."""
        return True

    async def learn(self, page: Sequence[AccountEvent]) -> None:
        """Find out what `concerns` has to know of events."""

    def concerns(self, event: AccountEvent) -> bool:
        """Tell whether the client wants an event; a reset is everybody's: what came before is of a lost past."""
        return self.account is None or self.account == event.account or event.type == "reset"

    def catch_up(self) -> None:
        """Read what is missing, unless that is under way."""
        if not self._is_reading and not self._is_ended and not self.client.is_paused:
            self._is_reading = True
            self.feed.hub.tasks.spawn(self._catch_up())

    async def _catch_up(self) -> None:
        try:
            while await self._read_page():
                pass
        except TradingError as error:
            _log.warning("the events of a user cannot be read: %s", error.detail)
            self.client.leave(TRY_AGAIN_LATER, "storage")
        finally:
            self._is_reading = False

    async def _read_page(self) -> bool:
        """Write a page of what is missing; tell whether there may be more."""
        feed, user = self.feed, self.client.caller.user_id
        if self.position is None:
            self.position = (await feed.readers.ask(feed.log.span, user)).newest
            if not self._is_ended:
                self.client.mark(self.position)
        page = await feed.readers.ask(feed.log.since, user, self.position, limit=PAGE)
        if page:
            await self.learn(page)
        if self._is_ended:
            return False
        if page is None:
            self.position = (await feed.readers.ask(feed.log.span, user)).newest
            if not self._is_ended:
                self.client.send((events.reset(self.position),))
            return not self._is_ended
        for event in page:
            if self.client.is_paused:
                return False
            self._write(event, Event(event.id, event.type, event.payload, event.created_at))
        return not self.client.is_paused and (len(page) == PAGE or self._newest > self.position)

    def _write(self, event: AccountEvent, made: Event) -> None:
        self.position = event.id
        if self.concerns(event):
            self.client.send((made,))
