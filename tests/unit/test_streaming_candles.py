"""Running candles through the streamer: asked for once for all who follow them, closed ones never left out."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from types import SimpleNamespace

import pytest

from streaming import candles
from streaming.candles import CandleFeed, CandleFollowing
from streaming.hub import Hub
from tests.unit.streaming_parts import Listener
from utils import clock
from utils.errors import EngineUnavailable, TooMany
from utils.wire import Candle, GetCandles

MINUTE = 60_000
KEY = ("demo", "BTC/USDT", "1m")
NOW = 1_796_000_040_000
"""The opening of the candle that runs, in milliseconds: the streamer's clock stands still within it."""


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candles, "time", SimpleNamespace(time=lambda: NOW / 1000 + 30))


class Market:
    """What the engine would answer: candles by opening, the last one runs."""

    def __init__(self) -> None:
        self.candles = {NOW - back * MINUTE: self.candle(NOW - back * MINUTE, 1) for back in range(5, -1, -1)}
        self.asked: list[GetCandles] = []
        self.fails = False

    @staticmethod
    def candle(opening: int, volume: int, *, close: int = 100) -> Candle:
        price = Decimal(close)
        return Candle(
            timestamp=opening,
            time=clock.from_ms(opening),
            open=price,
            high=price,
            low=price,
            close=price,
            volume=Decimal(volume),
            closed=opening < NOW,
        )

    def read(self, query: GetCandles) -> list[Candle]:
        self.asked.append(query)
        if self.fails:
            raise EngineUnavailable("away")
        known = list(self.candles.values())
        if query.since is None:
            return known[-query.limit :]
        return [candle for candle in known if candle.timestamp >= query.since][: query.limit]


class Stage:
    def __init__(self) -> None:
        self.hub = Hub(most=100, most_per_user=100)
        self.market = Market()
        self.feed = CandleFeed(self.hub, ["demo"], self.market.read)

    def follow(self, since_id: int | None = None, *, limit: int = 10**9) -> Listener:
        client = Listener(self.hub).connect(limit)
        client.follow(CandleFollowing(self.feed, client, KEY, since_id))
        return client

    async def settle(self) -> None:
        while self.hub.tasks._running:
            await asyncio.gather(*self.hub.tasks._running)

    async def look(self) -> None:
        self.feed.moved["demo"].add("BTC/USDT")
        for topic in list(self.feed.topics.values()):
            if topic.is_due(self.feed.moved["demo"]):
                await self.feed._update(topic)


def told(client: Listener) -> list[tuple[int, str] | str]:
    """Return opening and volume of the candles that came, `reset` for those."""
    found = re.findall(rb'id: (\d+)\nevent: (\w+)\ndata: (?:.*"volume":"(\d+)")?', client.pipe.take())
    return [
        "reset" if event == b"reset" else ((int(id) - NOW) // MINUTE, volume.decode()) for id, event, volume in found
    ]


def staged(play: Callable[[Stage], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        async def on_stage() -> None:
            await play(Stage())

        asyncio.run(on_stage())

    run.__name__ = play.__name__
    return run


@staged
async def test_the_last_closed_and_the_running_one_come_first(stage: Stage) -> None:
    client = stage.follow()
    await stage.settle()
    assert told(client) == [(-1, "1"), (0, "1")]
    await stage.look()
    assert told(client) == []  # nothing new
    stage.market.candles[NOW] = Market.candle(NOW, 2)
    await stage.look()
    assert told(client) == [(0, "2")]


@staged
async def test_resuming_repeats_the_candle_that_ran_and_leaves_none_out(stage: Stage) -> None:
    client = stage.follow(NOW - 3 * MINUTE + 7)
    await stage.settle()
    assert told(client) == [(-3, "1"), (-2, "1"), (-1, "1"), (0, "1")]


@staged
async def test_too_far_back_and_the_future_are_a_reset(stage: Stage) -> None:
    for since in (NOW - 2000 * MINUTE, NOW + 5 * MINUTE):
        client = stage.follow(since)
        await stage.settle()
        assert told(client) == ["reset", (-1, "1"), (0, "1")]


@staged
async def test_many_followers_are_one_question(stage: Stage) -> None:
    clients = [stage.follow() for _ in range(5)]
    await stage.settle()
    asked = len(stage.market.asked)
    stage.market.candles[NOW] = Market.candle(NOW, 2)
    await stage.look()
    assert len(stage.market.asked) == asked + 1
    assert {str(told(client)[-1]) for client in clients} == {"(0, '2')"}


@staged
async def test_a_closed_candle_is_told_also_when_the_engine_was_away_for_minutes(stage: Stage) -> None:
    client = stage.follow()
    await stage.settle()
    told(client)
    stage.market.fails = True
    await stage.look()
    for number in range(1, 4):
        stage.market.candles[NOW + number * MINUTE] = Market.candle(NOW + number * MINUTE, number)
    stage.market.candles[NOW] = Market.candle(NOW, 9)
    stage.market.fails = False
    stage.feed.moved["demo"].clear()
    assert stage.feed.topics[KEY].is_due(())  # it failed: asked again without a move
    await stage.look()
    assert told(client) == [(0, "9"), (1, "1"), (2, "2"), (3, "3")]


@staged
async def test_an_answer_that_was_kept_does_not_turn_the_candle_back(stage: Stage) -> None:
    stage.market.candles[NOW] = Market.candle(NOW, 5)
    client = stage.follow()
    await stage.settle()
    told(client)
    stage.market.candles[NOW] = Market.candle(NOW, 4)
    await stage.look()
    assert told(client) == []


@staged
async def test_a_slow_client_gets_the_newest_and_every_closed_one(stage: Stage) -> None:
    client = stage.follow(limit=100)
    await stage.settle()
    told(client)
    assert client.is_paused
    for volume in (2, 3):
        stage.market.candles[NOW] = Market.candle(NOW, volume)
        await stage.look()
    stage.market.candles[NOW + MINUTE] = Market.candle(NOW + MINUTE, 1)
    client.pipe.limit = 10**9
    client.pipe.read_all()
    await stage.settle()
    assert told(client) == [(0, "3"), (1, "1")]


@staged
async def test_candles_that_nobody_follows_are_not_asked_for(stage: Stage) -> None:
    client = stage.follow()
    await stage.settle()
    client.connection_lost(None)
    assert not stage.feed.topics
    gone = stage.follow()
    gone.connection_lost(None)
    await stage.settle()
    assert not stage.feed.topics


@staged
async def test_an_engine_that_is_away_when_somebody_comes_asks_them_to_come_back(stage: Stage) -> None:
    stage.market.fails = True
    client = stage.follow()
    await stage.settle()
    assert client.codes == [candles.TRY_AGAIN_LATER]
    assert not stage.feed.topics


@staged
async def test_a_share_counts_different_candles_as_long_as_they_are_followed(stage: Stage) -> None:
    other = ("demo", "ETH/USDT", "1m")

    def has_room(user: str = "ada") -> bool:
        try:
            stage.feed.check_share(user, {other})
        except TooMany as error:
            assert error.code == "too_many_candles"
            return False
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candles, "MOST_PER_USER", 2)
        first, second = stage.follow(), stage.follow()
        await stage.settle()
        assert has_room()  # twice the same is one
        patch.setattr(candles, "MOST_PER_USER", 1)
        stage.feed.check_share("ada", {KEY})
        assert [has_room(), has_room("bob")] == [False, True]
        first.leave(1000, "test")
        first.connection_lost(None)  # ends what has ended
        assert not has_room()
        second.connection_lost(None)
        assert has_room()
        assert not stage.feed._held


def test_there_is_an_end_of_different_candles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candles, "MOST_TOPICS", 0)

    async def play() -> None:
        stage = Stage()
        client = stage.follow()
        await stage.settle()
        assert client.codes == [candles.TRY_AGAIN_LATER]

    asyncio.run(play())
