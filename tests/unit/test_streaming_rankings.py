"""Rankings through the streamer: asked for once for all who follow them, written whole when they have changed."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from streaming import rankings
from streaming.hub import Hub
from streaming.rankings import RankingFeed, RankingFollowing
from tests.unit.streaming_parts import Listener
from utils.errors import EngineUnavailable

CUP = "cup"
BEGUN = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Told(msgspec.Struct, frozen=True):
    """A ranking as the service tells it."""

    leader: str
    as_of: datetime


class Stage:
    def __init__(self) -> None:
        self.hub = Hub(most=100, most_per_user=100)
        self.feed = RankingFeed(self.hub, self.read)
        self.told = Told("ada", BEGUN)
        self.asked = 0
        self.fails = False
        self.broken: str | None = None

    def read(self, tournament: str) -> Told:
        assert tournament.startswith(CUP)
        self.asked += 1
        if self.fails:
            raise EngineUnavailable("away")
        if tournament == self.broken:
            raise KeyError("a participant who is gone")
        return self.told

    def follow(self, since_id: int | None = None, *, limit: int = 10**9, tournament: str = CUP) -> Listener:
        client = Listener(self.hub).connect(limit)
        client.follow(RankingFollowing(self.feed, client, tournament, since_id))
        return client

    async def settle(self) -> None:
        while self.hub.tasks._running:
            await asyncio.gather(*self.hub.tasks._running)

    async def look(self) -> None:
        for topic in list(self.feed.topics.values()):
            await self.feed.update(topic)

    def lead(self, name: str, seconds: float) -> None:
        self.told = Told(name, BEGUN + timedelta(seconds=seconds))


@pytest.fixture
def stage() -> Stage:
    return Stage()


def leaders(client: Listener) -> list[str]:
    return re.findall(r'"leader":"(\w+)"', client.pipe.take().decode())


def ids(client: Listener) -> list[int]:
    return [int(each) for each in re.findall(r"^id: (\d+)$", client.pipe.take().decode(), re.M)]


def test_who_comes_gets_the_ranking_and_then_what_changes(stage: Stage) -> None:
    async def scene() -> None:
        first = stage.follow()
        await stage.settle()
        assert leaders(first) == ["ada"]
        second = stage.follow()
        assert leaders(second) == ["ada"]  # it is known: nothing is asked
        assert stage.asked == 1
        await stage.look()
        stage.lead("bob", 1)
        await stage.look()
        assert (leaders(first), leaders(second), stage.asked) == (["bob"], ["bob"], 3)

    asyncio.run(scene())


def test_who_comes_back_gets_what_they_do_not_have(stage: Stage) -> None:
    async def scene() -> None:
        first = stage.follow()
        await stage.settle()
        [id] = ids(first)
        assert id == BEGUN.timestamp() * 1000
        assert ids(stage.follow(id)) == []
        assert ids(stage.follow(id - 1000)) == [id]

    asyncio.run(scene())


def test_an_older_ranking_is_not_told_and_ids_grow(stage: Stage) -> None:
    async def scene() -> None:
        client = stage.follow()
        await stage.settle()
        stage.lead("bob", 2)
        await stage.look()
        stage.lead("old", 1)
        await stage.look()
        stage.lead("eve", 2)  # of the same moment, and yet another one
        await stage.look()
        written = client.pipe.take().decode()
        assert re.findall(r'"leader":"(\w+)"', written) == ["ada", "bob", "eve"]
        told = [int(each) for each in re.findall(r"^id: (\d+)$", written, re.M)]
        assert told == sorted(set(told))

    asyncio.run(scene())


def test_who_reads_slowly_gets_the_newest_alone(stage: Stage) -> None:
    async def scene() -> None:
        other, slow = stage.follow(), stage.follow(limit=10)
        await stage.settle()
        assert slow.is_paused
        slow.pipe.take()
        for second, name in enumerate(("bob", "eve", "kim"), start=1):
            stage.lead(name, second)
            await stage.look()
        assert leaders(slow) == []
        slow.pipe.read_all()
        assert leaders(slow) == ["kim"]
        assert leaders(other) == ["ada", "bob", "eve", "kim"]

    asyncio.run(scene())


def test_a_ranking_that_cannot_be_read_comes_later(stage: Stage) -> None:
    async def scene() -> None:
        stage.fails = True
        client = stage.follow()
        await stage.settle()
        assert leaders(client) == []
        stage.fails = False
        await stage.look()
        assert leaders(client) == ["ada"]

    asyncio.run(scene())


def test_one_ranking_that_fails_in_an_unforeseen_way_does_not_end_the_others(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rankings, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(rankings, "READS_PER_SECOND", 10**6)

    async def scene() -> None:
        stage.broken = f"{CUP}-broken"
        broken, whole = stage.follow(tournament=stage.broken), stage.follow()
        await stage.settle()
        assert (leaders(broken), leaders(whole)) == ([], ["ada"])
        running = asyncio.create_task(stage.feed.run())
        stage.lead("bob", 1)
        async with asyncio.timeout(30):
            while leaders(whole) != ["bob"]:
                assert not running.done()
                await asyncio.sleep(0.01)
            stage.broken = None
            while stage.feed.topics[f"{CUP}-broken"].newest is None:
                assert not running.done()
                await asyncio.sleep(0.01)
        running.cancel()
        assert leaders(broken) == ["bob"]

    asyncio.run(scene())
    # said once, with where it happened
    said = [record for record in caplog.records if "cannot be read" in record.message]
    assert [record.exc_info is not None for record in said] == [True]


def test_what_nobody_follows_is_not_asked_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        client = stage.follow()
        await stage.settle()
        monkeypatch.setattr(rankings, "MOST_TOPICS", 1)
        refused = stage.follow(tournament="cup2")
        assert refused.codes == [1013]
        client.connection_lost(None)
        assert stage.feed.topics == {}
        await stage.look()
        assert stage.asked == 1

    asyncio.run(scene())
