"""All clients of the streamer: limits, heartbeats in turns, who is stalled, whose session has ended, the drain."""

from __future__ import annotations

import asyncio

import pytest

from streaming import hub as hubs
from streaming.hub import HEARTBEAT_SECONDS, RESTARTING, SESSION_ENDED, STALLED_SECONDS, Hub
from tests.unit.streaming_parts import Listener
from utils.errors import Overloaded, TooMany


@pytest.fixture
def hub() -> Hub:
    return Hub(most=4, most_per_user=2)


def test_nobody_has_more_than_their_share(hub: Hub) -> None:
    first, second, third = (Listener(hub, "ada").connect() for _ in range(3))
    assert (first.refused, second.refused) == (None, None)
    assert isinstance(third.refused, TooMany)
    assert (third.refused.code, third.refused.retry_after) == ("too_many_streams", hubs.RETRY_AFTER)
    third.connection_lost(None)
    first.connection_lost(None)
    assert Listener(hub, "ada").connect().refused is None
    assert isinstance(Listener(hub, "ada").connect().refused, TooMany)


def test_the_installation_has_an_end(hub: Hub) -> None:
    for user in "abcd":
        assert Listener(hub, user).connect().refused is None
    refused = Listener(hub, "e").connect().refused
    assert isinstance(refused, Overloaded)
    assert refused.code == "streams_exhausted"
    assert hub.refusals == {"streams_exhausted": 1}
    assert hub.counts() == {"sse": 4, "websocket": 0}


def test_what_ends_is_forgotten(hub: Hub) -> None:
    client = Listener(hub, "ada", "s1").connect()
    client.connection_lost(None)
    client.connection_lost(None)
    assert not hub.clients
    assert not hub.by_session
    assert not hub._by_user
    assert hub.counts() == {"sse": 0, "websocket": 0}


def test_heartbeats_come_in_turns() -> None:
    hub = Hub(most=100, most_per_user=100)
    clients = [Listener(hub).connect() for _ in range(30)]
    seconds = HEARTBEAT_SECONDS["sse"]
    for second in range(seconds):
        before = sum(len(client.pipe.written) for client in clients)
        hub.tick(float(second), 0)
        assert sum(len(client.pipe.written) for client in clients) - before == 30 // seconds
    assert {client.pipe.take() for client in clients} == {b": heartbeat\n\n"}
    assert seconds == 15


def test_a_paused_client_gets_no_heartbeat(hub: Hub) -> None:
    client = Listener(hub).connect()
    client.pause_writing()
    for second in range(HEARTBEAT_SECONDS["sse"]):
        hub.tick(hub.paused[client] + second / 10, 0)
    assert client.pipe.take() == b""


def test_a_client_that_takes_nothing_is_dropped(hub: Hub) -> None:
    client, other = Listener(hub).connect(), Listener(hub).connect()
    client.pause_writing()
    since = hub.paused[client]
    ends = []
    for now in (since + STALLED_SECONDS - 0.1, since + STALLED_SECONDS):
        hub.tick(now, 0)
        ends.append((client.pipe.is_aborted, client.pipe.is_closed))
    assert ends == [(False, False), (True, False)]  # closing would wait for the buffer
    assert not other.pipe.is_aborted
    assert hub.drops == {"stalled": 1}


def test_a_client_that_reads_again_is_not_dropped(hub: Hub) -> None:
    client = Listener(hub).connect()
    client.pause_writing()
    client.resume_writing()
    hub.tick(1e9, 0)
    assert not client.pipe.is_aborted


def test_sessions_that_have_ended_are_cut(hub: Hub) -> None:
    ended, lasting = Listener(hub, session="s1").connect(), Listener(hub, session="s2").connect()
    hub.cut_sessions({"s1", "unknown"})
    assert (ended.codes, lasting.codes) == ([SESSION_ENDED], [])
    assert ended.pipe.is_closed
    hub.cut_sessions({"s1"})
    assert ended.codes == [SESSION_ENDED]


def test_a_credential_ends_on_time(hub: Hub) -> None:
    client, lasting = Listener(hub, expires_at=100.0).connect(), Listener(hub).connect()
    hub.tick(0, 99.9)
    assert client.codes == []
    hub.tick(1, 100.1)
    assert (client.codes, lasting.codes) == ([SESSION_ENDED], [])


def test_who_does_not_close_is_cut(hub: Hub) -> None:
    client = Listener(hub).connect()
    hub.cut_sessions({"s"})
    hub.tick(1e9, 0)
    assert client.pipe.is_aborted


def test_at_the_drain_everybody_is_asked_to_come_back_and_nobody_new_comes(hub: Hub) -> None:
    async def drain() -> None:
        draining = asyncio.create_task(hub.drain())
        await asyncio.sleep(0)
        late = Listener(hub, "bob").connect()
        assert (late.refused.code, late.refused.retry_after) == ("streamer_stopping", 1)
        polite.connection_lost(None)
        await draining

    polite, rude = Listener(hub).connect(), Listener(hub).connect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hubs, "DRAIN_SECONDS", 0.05)
        asyncio.run(drain())
    assert (polite.codes, rude.codes) == ([RESTARTING], [RESTARTING])
    assert (polite.pipe.is_aborted, rude.pipe.is_aborted) == (False, True)


def test_tickets_of_streams_that_ended_are_noted(hub: Hub) -> None:
    client = Listener(hub)
    client.caller = type(client.caller)(user_id="ada", session_id="s", ticket="a-ticket")
    client.connect()
    client.connection_lost(None)
    assert hub.left_tickets == {"a-ticket"}
