"""Account events through the streamer: live or from SQL, every one once and in order, however the two overlap."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from streaming import accounts
from streaming.accounts import AccountFeed, AccountFollowing
from streaming.hub import Hub
from streaming.readers import Readers
from tests.unit.streaming_parts import Listener
from utils import wire
from utils.errors import StorageUnavailable
from utils.wire import AccountEvent

AT = datetime(2026, 11, 29, tzinfo=UTC)


class Span(NamedTuple):
    newest: int


class Log:
    """SQL, as far as it matters here; `forgotten` is the last id that is not kept."""

    def __init__(self) -> None:
        self.events: list[AccountEvent] = []
        self.forgotten = 0
        self.reads = 0
        self.fails = False
        self.gate, self.has_rows = threading.Event(), threading.Event()
        self.gate.set()

    def add(self, count: int = 1, user: str = "ada", account: str = "a1") -> list[AccountEvent]:
        first = self.span(user).newest + 1
        fresh = [
            AccountEvent(user_id=user, id=id, account=account, type="order", created_at=AT, payload=b'{"n":%d}' % id)
            for id in range(first, first + count)
        ]
        self.events += fresh
        return fresh

    def hold(self) -> None:
        """Let the next read have its rows, and hang."""
        self.has_rows.clear()
        self.gate.clear()

    def span(self, user_id: str) -> Span:
        return Span(max((event.id for event in self.events if event.user_id == user_id), default=self.forgotten))

    def since(self, user_id: str, since_id: int, *, limit: int) -> list[AccountEvent] | None:
        self.reads += 1
        if self.fails:
            raise StorageUnavailable("away")
        found = [event for event in self.events if event.user_id == user_id and event.id > since_id][:limit]
        self.has_rows.set()
        assert self.gate.wait(60)
        return found if self.forgotten <= since_id <= self.span(user_id).newest else None


class Stage:
    def __init__(self) -> None:
        self.hub = Hub(most=100, most_per_user=100)
        self.log = Log()
        self.tasks = self.hub.tasks
        self.feed = AccountFeed(self.hub, self.log, Readers(2, "sql", deadline=60))

    def follow(
        self, user: str = "ada", *, account: str | None = None, since_id: int | None = None, limit: int = 10**9
    ) -> Listener:
        client = Listener(self.hub, user).connect(limit)
        client.follow(AccountFollowing(self.feed, client, account, since_id))
        return client

    def tell(self, events: list[AccountEvent]) -> None:
        self.feed.receive([wire.encode_account_events(events)[wire.HEADER.size :]])

    async def until_a_read_hangs(self) -> None:
        assert await asyncio.to_thread(self.log.has_rows.wait, 60)

    async def settle(self) -> None:
        while self.tasks._running:
            await asyncio.gather(*self.tasks._running)
            await asyncio.sleep(0)


def ids(client: Listener) -> list[int | str]:
    found = re.findall(rb"(?:id: (\d+)\nevent: (\w+)|mark (\d+))\n", client.pipe.take())
    return [f"mark {m.decode()}" if m else "reset" if kind == b"reset" else int(id) for id, kind, m in found]


def staged(play: Callable[[Stage], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def on_stage() -> None:
            await play(Stage())

        asyncio.run(on_stage())

    run.__name__ = play.__name__
    return run


@staged
async def test_who_is_new_begins_now_and_can_resume_from_there(stage: Stage) -> None:
    stage.log.add(3)
    client = stage.follow()
    await stage.settle()
    assert ids(client) == ["mark 3"]
    stage.tell(stage.log.add(2))
    assert ids(client) == [4, 5]
    assert stage.log.reads == 1


@staged
async def test_what_was_missed_comes_exactly_in_pages(stage: Stage) -> None:
    stage.log.add(2 * accounts.PAGE + 7)
    client = stage.follow(since_id=5)
    await stage.settle()
    assert ids(client) == list(range(6, 2 * accounts.PAGE + 8))


@staged
async def test_nobody_hears_of_others(stage: Stage) -> None:
    ada, bob = stage.follow("ada", since_id=0), stage.follow("bob", since_id=0)
    await stage.settle()
    stage.tell([*stage.log.add(user="ada"), *stage.log.add(2, user="bob")])
    assert (ids(ada), ids(bob)) == ([1], [1, 2])


@staged
async def test_one_account_of_several(stage: Stage) -> None:
    stage.log.add(account="a1")
    stage.log.add(account="a2")
    client = stage.follow(account="a2", since_id=0)
    await stage.settle()
    stage.tell(stage.log.add(account="a1"))
    stage.tell(stage.log.add(account="a2"))
    assert ids(client) == [2, 4]
    assert stage.log.reads == 1


@staged
async def test_what_is_committed_while_sql_is_read_is_neither_lost_nor_doubled(stage: Stage) -> None:
    stage.log.add(3)
    stage.log.hold()
    client = stage.follow(since_id=1)
    await stage.until_a_read_hangs()
    stage.tell(stage.log.add(2))
    assert ids(client) == []
    stage.log.gate.set()
    await stage.settle()
    assert ids(client) == [2, 3, 4, 5]
    stage.tell(stage.log.events[3:])  # told once more
    stage.tell(stage.log.add())
    assert ids(client) == [6]


@staged
async def test_what_is_told_while_sql_is_about_to_tell_it_comes_once(stage: Stage) -> None:
    client = stage.follow(since_id=0)
    await stage.settle()
    fresh = stage.log.add()
    stage.log.hold()
    stage.tell([])
    await stage.until_a_read_hangs()
    stage.tell(fresh)
    stage.log.gate.set()
    await stage.settle()
    assert ids(client) == [1]


@staged
async def test_a_gap_in_what_is_told_is_filled_from_sql(stage: Stage) -> None:
    client = stage.follow(since_id=0)
    await stage.settle()
    stage.log.add(4)
    stage.tell(stage.log.events[3:])
    await stage.settle()
    assert ids(client) == [1, 2, 3, 4]


@staged
async def test_a_subscription_that_holds_again_brings_what_was_committed_meanwhile(stage: Stage) -> None:
    client = stage.follow(since_id=0)
    await stage.settle()
    stage.log.add(2)
    assert ids(client) == []
    stage.tell([])
    await stage.settle()
    assert ids(client) == [1, 2]


@staged
async def test_what_is_not_kept_any_more_is_a_reset(stage: Stage) -> None:
    stage.log.add(9)
    stage.log.forgotten = 5
    client, future = stage.follow(since_id=4), stage.follow(since_id=99)
    await stage.settle()
    assert ids(client) == ["reset"]
    assert ids(future) == ["reset"]
    stage.tell(stage.log.add())
    assert (ids(client), ids(future)) == ([10], [10])


@staged
async def test_a_client_that_stops_reading_loses_nothing(stage: Stage) -> None:
    stage.log.add(50)
    client = stage.follow(since_id=0, limit=100)
    await stage.settle()
    got = ids(client)
    assert 0 < len(got) < 50  # the buffer is bounded
    stage.tell(stage.log.add(3))
    assert ids(client) == []
    for _ in range(100):
        client.pipe.read_all()
        await stage.settle()
        got += ids(client)
    assert got == list(range(1, 54))


@staged
async def test_when_sql_is_away_the_client_is_asked_to_come_back(stage: Stage) -> None:
    stage.log.fails = True
    client = stage.follow(since_id=0)
    await stage.settle()
    assert client.codes == [accounts.TRY_AGAIN_LATER]
    assert stage.hub.drops == {"storage": 1}


@staged
async def test_who_leaves_is_forgotten(stage: Stage) -> None:
    stage.log.hold()
    client = stage.follow(since_id=0)
    await stage.until_a_read_hangs()
    client.connection_lost(None)
    stage.log.gate.set()
    await stage.settle()
    assert not stage.feed.followings
    assert ids(client) == []


@pytest.mark.parametrize("seed", range(20))
def test_every_event_once_in_order_whatever_happens(seed: int) -> None:
    import random

    chance = random.Random(seed)

    async def play() -> None:
        stage = Stage()
        client = stage.follow(since_id=0, limit=400)
        got: list[int | str] = []
        for _ in range(200):
            match chance.randrange(6):
                case 0 | 1:
                    stage.tell(stage.log.add(chance.randrange(1, 4)))
                case 2:
                    stage.log.add(chance.randrange(1, 3))  # committed while the engine's word is lost
                case 3:
                    client.pipe.read_all()
                case 4:
                    stage.tell([])
                case 5:
                    await asyncio.sleep(0.0005)
            got += ids(client)
        stage.tell([])
        for _ in range(200):
            client.pipe.read_all()
            await stage.settle()
            got += ids(client)
        assert got == list(range(1, stage.log.span("ada").newest + 1))

    asyncio.run(play())
