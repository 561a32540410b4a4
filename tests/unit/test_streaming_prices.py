"""Prices through the streamer: one buffer for all, replay, conflation, and what a restarted engine means."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import cast

import pytest

from streaming import prices
from streaming.hub import Hub
from streaming.prices import PriceFeed, PriceFollowing
from tests.unit.streaming_parts import Listener
from utils import wire
from utils.wire import Price, StreamEvent

AT = datetime(2026, 11, 29, tzinfo=UTC)


def frame(id: int, symbol: str = "BTC/USDT", price: int = 0) -> bytes:
    quote = Price(symbol=symbol, exchange="demo", price=Decimal(price or id), bid=Decimal(1), ask=Decimal(2), as_of=AT)
    return wire.encode_event(StreamEvent(id=id, event="price", payload=quote))[wire.HEADER.size :]


def reset(id: int) -> bytes:
    return wire.encode_event(StreamEvent(id=id, event="reset"))[wire.HEADER.size :]


@pytest.fixture
def hub() -> Hub:
    return Hub(most=1000, most_per_user=1000)


@pytest.fixture
def feed(hub: Hub) -> PriceFeed:
    feed = PriceFeed("demo", hub)
    feed.receive([b""])  # an empty frame: the subscription holds
    return feed


def follow(feed: PriceFeed, hub: Hub, *symbols: str, since_id: int | None = None, limit: int = 10**9) -> Listener:
    client = Listener(hub).connect(limit)
    client.follow(PriceFollowing(feed, client, frozenset(symbols) or None, since_id))
    return client


def ids(client: Listener) -> list[str]:
    """Return the ids of the events that came, `reset` for those."""
    found = re.findall(rb"id: (\d+)\nevent: (\w+)\n", client.pipe.take())
    return [event.decode() if event == b"reset" else id.decode() for id, event in found]


def test_who_resumes_waits_until_the_history_is_told_to_its_end(hub: Hub) -> None:
    feed = PriceFeed("demo", hub)
    client = follow(feed, hub, since_id=3)
    feed.receive([frame(1), frame(2)])  # as much as one read brings
    assert ids(client) == []
    assert (feed.request().history, feed.request().since_id) == (True, None)
    feed.receive([frame(1), frame(2), frame(3)])
    feed.receive([frame(4), b""])
    assert ids(client) == ["4"]


def test_the_first_question_is_for_all_that_is_kept_and_the_next_for_what_followed(feed: PriceFeed) -> None:
    assert (feed.request().history, feed.request().since_id) == (True, None)
    feed.receive([frame(1), frame(2)])
    assert (feed.request().history, feed.request().since_id) == (False, 2)


def test_a_snapshot_comes_first_and_then_what_happens(feed: PriceFeed, hub: Hub) -> None:
    feed.receive([frame(1), frame(2, "ETH/USDT"), frame(3)])
    one, everything = follow(feed, hub, "BTC/USDT"), follow(feed, hub)
    assert (ids(one), ids(everything)) == (["3"], ["2", "3"])
    feed.receive([frame(4), frame(5, "ETH/USDT")])
    assert (ids(one), ids(everything)) == (["4"], ["4", "5"])
    assert hub.deliveries == 3


def test_everybody_gets_the_same_bytes_object(feed: PriceFeed, hub: Hub) -> None:
    clients = [follow(feed, hub, "BTC/USDT") for _ in range(3)]
    feed.receive([frame(1)])
    written = [client.pipe.written[-1] for client in clients]
    assert written[0] is written[1] is written[2]


def test_resuming_replays_exactly_what_was_missed(feed: PriceFeed, hub: Hub) -> None:
    feed.receive([frame(1), frame(2), frame(3, "ETH/USDT"), frame(4)])
    assert ids(follow(feed, hub, "BTC/USDT", since_id=1)) == ["2", "4"]
    assert ids(follow(feed, hub, "BTC/USDT", since_id=4)) == []
    assert ids(follow(feed, hub, since_id=0)) == ["1", "2", "3", "4"]


def test_what_is_not_kept_is_a_reset_and_a_snapshot(feed: PriceFeed, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    feed.receive([frame(100), frame(101)])
    assert ids(follow(feed, hub, "BTC/USDT", since_id=98)) == ["reset", "101"]
    assert ids(follow(feed, hub, "BTC/USDT", since_id=102)) == ["reset", "101"]
    assert ids(follow(feed, hub, "BTC/USDT", since_id=99)) == ["100", "101"]
    monkeypatch.setattr(prices, "MOST_REPLAYED", 1)
    assert ids(follow(feed, hub, "BTC/USDT", since_id=99)) == ["reset", "101"]


def test_who_comes_before_the_engine_has_answered_waits_for_what_they_missed(hub: Hub) -> None:
    feed = PriceFeed("demo", hub)
    early, gone = follow(feed, hub, "BTC/USDT", since_id=1), follow(feed, hub, "BTC/USDT")
    gone.connection_lost(None)
    assert ids(early) == []
    feed.receive([frame(1), frame(2), frame(3), b""])
    assert ids(early) == ["2", "3"]
    assert ids(gone) == []
    feed.receive([frame(4)])
    assert ids(early) == ["4"]


def test_an_engine_that_knows_nothing_of_before_is_a_reset_for_everybody_once(feed: PriceFeed, hub: Hub) -> None:
    feed.receive([frame(1), frame(2, "ETH/USDT")])
    clients = [follow(feed, hub), follow(feed, hub, "BTC/USDT", "ETH/USDT")]
    for client in clients:
        ids(client)
    feed.receive([reset(99), frame(100), frame(101, "ETH/USDT")])
    assert [ids(client) for client in clients] == [["reset", "100", "101"]] * 2
    assert feed.request().since_id == 101
    assert ids(follow(feed, hub, "BTC/USDT", since_id=2)) == ["reset", "100"]
    assert ids(follow(feed, hub, "BTC/USDT", since_id=99)) == ["100"]


def test_of_what_a_slow_client_misses_the_newest_wins(feed: PriceFeed, hub: Hub) -> None:
    slow, quick = follow(feed, hub, "BTC/USDT", "ETH/USDT", limit=200), follow(feed, hub, "BTC/USDT")
    feed.receive([frame(1), frame(2, "ETH/USDT")])  # the second one fills it
    for id in range(3, 9):
        feed.receive([frame(id)])
    feed.receive([frame(9, "ETH/USDT")])
    assert ids(quick) == ["1", "3", "4", "5", "6", "7", "8"]
    assert slow.is_paused
    assert ids(slow) == ["1", "2"]
    slow.pipe.limit = 10**9
    slow.pipe.read_all()
    assert ids(slow) == ["8", "9"]
    feed.receive([frame(10)])
    assert ids(slow) == ["10"]


def test_a_client_that_stalls_in_the_middle_of_a_tick_misses_nothing_of_it(feed: PriceFeed, hub: Hub) -> None:
    slow = follow(feed, hub, "BTC/USDT", "ETH/USDT", "SOL/USDT", limit=1)
    feed.receive([frame(1), frame(2, "ETH/USDT"), frame(3, "SOL/USDT")])
    assert ids(slow) == ["1"]
    slow.pipe.limit = 10**9
    slow.pipe.read_all()
    assert ids(slow) == ["2", "3"]


def test_a_slow_client_is_told_of_a_reset_it_slept_through(feed: PriceFeed, hub: Hub) -> None:
    slow = follow(feed, hub, "BTC/USDT", limit=1)
    feed.receive([frame(1)])
    feed.receive([reset(99), frame(100)])
    ids(slow)
    slow.pipe.limit = 10**9
    slow.pipe.read_all()
    assert ids(slow) == ["reset", "100"]


def test_a_replay_that_fills_the_buffer_is_made_up_for_too(feed: PriceFeed, hub: Hub) -> None:
    feed.receive([frame(1), frame(2)])
    slow = follow(feed, hub, "BTC/USDT", since_id=0, limit=1)
    feed.receive([frame(3)])
    assert ids(slow) == ["1", "2"]
    slow.pipe.limit = 10**9
    slow.pipe.read_all()
    assert ids(slow) == ["3"]


def test_what_would_take_too_long_is_not_made_up_for(
    feed: PriceFeed, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [follow(feed, hub, "BTC/USDT") for _ in range(3)]
    feed.receive([frame(1), frame(2)])
    assert ids(clients[0]) == ["1", "2"]  # two deliveries more are no burden
    monkeypatch.setattr(prices, "AT_ONCE", 5)
    feed.receive([frame(3), frame(4), frame(5, "ETH/USDT")])
    assert ids(clients[1]) == ["1", "2", "4"]
    assert hub.coalesced == 1
    assert ids(follow(feed, hub, "BTC/USDT", since_id=2)) == ["3", "4"]  # they are kept all the same


def test_topics_without_subscribers_are_forgotten(feed: PriceFeed, hub: Hub) -> None:
    client = follow(feed, hub, "BTC/USDT", "ETH/USDT")
    feed.receive([frame(1)])
    assert set(feed.topics) == {"BTC/USDT", "ETH/USDT"}
    client.connection_lost(None)
    assert not feed.topics
    assert not hub.clients
    feed.receive([frame(2)])
    assert cast(int, feed.last_id) == 2
