"""WebSockets on the streamer's own port: what clients may say, and what they are answered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from models import Database
from services.audit import SYSTEM
from streaming import candles, hub, streamer, websocket
from streaming.allowance import Allowance
from tests.factories import SignedIn, services_of, with_key
from tests.fake_engine import FakeEngine
from tests.integration.streaming.test_listener import commit
from tests.streamer_host import EngineSocket, StreamerHost, until
from utils.follow import Wish

Socket = Callable[..., "Talk"]


class Talk:
    """One WebSocket of a client."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, action: str, **members: Any) -> Talk:
        self.connection.send(json.dumps({"action": action, **members}))
        return self

    def hear(self) -> dict[str, Any]:
        heard: dict[str, Any] = json.loads(self.connection.recv(timeout=60))
        assert set(heard) == {"type", "id", "ts", "data"}
        assert heard["ts"].endswith("Z")
        return heard

    def ask(self, action: str, **members: Any) -> dict[str, Any]:
        return self.say(action, **members).hear()

    def end(self) -> int:
        """Hear on until the other side closes, and return its code."""
        while True:
            try:
                self.connection.recv(timeout=60)
            except ConnectionClosed as closed:
                assert closed.rcvd is not None
                return closed.rcvd.code


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at sessions ten times a second; must come before `host`."""
    monkeypatch.setattr(streamer, "SESSION_SECONDS", 0.1)


@pytest.fixture
def dial(host: StreamerHost, user: SignedIn) -> Iterator[Socket]:
    opened: list[ClientConnection] = []

    def open_socket(path: str = "/ws/market", *, headers: dict[str, str] | None = None, **options: Any) -> Talk:
        given = user.headers if headers is None else headers
        url = f"ws://127.0.0.1:{host.streamer.port}{path}"
        opened.append(connect(url, additional_headers=given, **options))
        return Talk(opened[-1])

    yield open_socket
    for each in opened:
        each.close()


def code_of(answer: dict[str, Any]) -> str:
    assert answer["type"] == "error"
    return str(answer["data"]["error_code"])


def test_prices(dial: Socket, engine: FakeEngine) -> None:
    talk = dial()
    answer = talk.ask("subscribe", channel="prices", symbols=["btc-usdt"], id=7)
    assert (answer["type"], answer["id"]) == ("subscribed", 7)
    assert answer["data"] == {"channel": "prices", "exchange": "demo", "symbols": ["BTC/USDT"]}
    first = talk.hear()
    assert (first["type"], first["data"]["price"]) == ("price", "50000")
    engine.set_price("ETH/USDT", Decimal(2_000))
    engine.set_price("BTC/USDT", Decimal(51_000))
    second = talk.hear()
    assert (second["data"]["price"], second["id"] > first["id"]) == ("51000", True)
    engine.set_price("BTC/USDT", Decimal(52_000))
    assert talk.hear()["data"]["price"] == "52000"
    other = dial()
    other.ask("subscribe", channel="prices", symbols=["BTC/USDT"], since_id=second["id"])
    assert other.hear()["data"]["price"] == "52000"
    assert other.ask("subscribe", channel="prices", symbols=["BTC/USDT"], since_id=1 << 60)["type"] == "subscribed"
    assert [other.hear()["type"] for _ in range(2)] == ["reset", "price"]


def test_unsubscribing(dial: Socket, engine: FakeEngine, host: StreamerHost) -> None:
    talk = dial()
    talk.ask("subscribe", channel="prices", symbols=["BTC/USDT", "ETH/USDT"])
    assert {talk.hear()["data"]["symbol"] for _ in range(2)} == {"BTC/USDT", "ETH/USDT"}
    assert talk.ask("unsubscribe", channel="prices", symbols=["BTC/USDT"])["type"] == "unsubscribed"
    engine.set_price("BTC/USDT", Decimal(51_000))
    engine.set_price("ETH/USDT", Decimal(2_000))
    assert talk.hear()["data"]["symbol"] == "ETH/USDT"
    talk.ask("unsubscribe", channel="prices")
    assert host.call(host.streamer.status).topics["prices"] == 0


def test_everything_takes_the_place_of_single_markets(dial: Socket, engine: FakeEngine) -> None:
    talk = dial()
    talk.ask("subscribe", channel="prices", symbols=["BTC/USDT"])
    talk.hear()
    assert talk.ask("subscribe", channel="prices")["data"]["symbols"] is None
    assert len({talk.hear()["data"]["symbol"] for _ in range(4)}) == 4
    assert talk.ask("subscribe", channel="prices", symbols=["BTC/USDT"])["type"] == "subscribed"
    for price in (51_000, 52_000):
        engine.set_price("BTC/USDT", Decimal(price))
    assert [talk.hear()["data"]["price"] for _ in range(2)] == ["51000", "52000"]  # each once


def test_one_market_cannot_be_left_out_of_all(dial: Socket) -> None:
    talk = dial()
    talk.ask("subscribe", channel="prices")
    answers = [talk.say("unsubscribe", channel="prices", symbols=["BTC/USDT"]).hear() for _ in range(5)]
    assert "follows_everything" in [answer["data"].get("error_code") for answer in answers]


def test_what_was_missed_of_several_markets_comes_in_the_order_of_the_ids(dial: Socket, engine: FakeEngine) -> None:
    first = dial()
    first.ask("subscribe", channel="prices", symbols=["BTC/USDT"])
    last = first.hear()["id"]
    for price in (51_000, 52_000, 53_000):
        engine.set_price("BTC/USDT", Decimal(price))
        engine.set_price("ETH/USDT", Decimal(price))
    until(lambda: first.hear()["data"]["price"] == "53000")
    again = dial()
    again.ask("subscribe", channel="prices", symbols=["ETH/USDT", "BTC/USDT"], since_id=last)
    assert [again.hear()["id"] for _ in range(5)] == list(range(last + 1, last + 6))


def test_candles(dial: Socket, engine: FakeEngine) -> None:
    talk = dial()
    answer = talk.ask("subscribe", channel="candles", symbol="BTC/USDT", timeframe="1minute")
    assert answer["data"] == {
        "channel": "candles",
        "exchange": "demo",
        "timeframe": "1m",
        "symbols": ["BTC/USDT"],
    }
    assert [talk.hear()["data"]["closed"] for _ in range(2)] == [True, False]
    engine.set_price("BTC/USDT", Decimal(51_000))
    moved = talk.hear()
    assert (moved["type"], moved["data"]["close"], moved["id"]) == ("candle", "51000", moved["data"]["timestamp"])


def test_account_events(dial: Socket, database: Database, user: SignedIn, socket: EngineSocket) -> None:
    commit(database, user, 2)
    talk = dial("/ws/account")
    assert talk.ask("subscribe", channel="account", since_id=0)["type"] == "subscribed"
    assert [(heard["id"], heard["type"], heard["data"]) for heard in (talk.hear(), talk.hear())] == [
        (1, "order", {"n": 1}),
        (2, "order", {"n": 2}),
    ]
    socket.tell(*commit(database, user, 1))
    assert talk.hear()["id"] == 3
    fresh = dial("/ws/account")
    assert fresh.ask("subscribe", channel="account", account=user.account_id)["data"]["account"] == user.account_id
    assert (answer := fresh.hear())["type"] == "mark"
    assert answer["id"] == 3


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("garbage[", "malformed_json"),
        ('"text"', "validation_failed"),
        ('{"action":"dance","channel":"prices"}', "unknown_action"),
        ('{"action":"subscribe","channel":"prices","id":18446744073709551616}', "validation_failed"),
        ('{"action":"dance","channel":"prices","id":' + "9" * 4000 + "}", "unknown_action"),
        ('{"channel":"prices"}', "validation_failed"),
        ('{"action":"subscribe"}', "validation_failed"),
        ('{"action":"subscribe","channel":"account"}', "unknown_channel"),
        ('{"action":"unsubscribe","channel":"account"}', "unknown_channel"),
        ('{"action":"subscribe","channel":"prices","symbols":"BTC/USDT"}', "validation_failed"),
        ('{"action":"subscribe","channel":"prices","symbols":["?"]}', "validation_failed"),
        ('{"action":"subscribe","channel":"prices","symbols":["XXX/USDT"]}', "unknown_symbol"),
        ('{"action":"subscribe","channel":"prices","exchange":"nowhere"}', "unknown_exchange"),
        ('{"action":"subscribe","channel":"prices","since_id":-1}', "validation_failed"),
        ('{"action":"subscribe","channel":"prices","colour":"red"}', "validation_failed"),
        ('{"action":"subscribe","channel":"candles"}', "validation_failed"),
        ('{"action":"subscribe","channel":"candles","symbol":"BTC/USDT","timeframe":"7y"}', "unknown_timeframe"),
        ("[" * 10_000, "validation_failed"),
        ('{"action":"subscribe","channel":"\\ud800"}', "malformed_json"),
    ],
)
def test_each_mistake_is_answered_and_changes_nothing(dial: Socket, said: str, code: str) -> None:
    talk = dial()
    talk.connection.send(said)
    answer = talk.hear()
    assert code_of(answer) == code
    assert talk.ask("subscribe", channel="prices", symbols=["BTC/USDT"])["type"] == "subscribed"


def test_an_answer_carries_the_id_of_its_action_also_when_it_is_a_mistake(dial: Socket) -> None:
    talk = dial()
    assert talk.ask("subscribe", channel="nope", id="a")["id"] == "a"
    assert talk.ask("dance", id="b")["id"] == "b"
    assert talk.ask("dance", id={"c": 1})["id"] is None


def test_the_account_of_somebody_else_does_not_exist(dial: Socket, other: SignedIn) -> None:
    talk = dial("/ws/account")
    assert code_of(talk.ask("subscribe", channel="account", account=other.account_id)) == "account_not_found"


def test_subscriptions_are_bounded(dial: Socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "MOST_FOLLOWED", 2)
    talk = dial()
    answer = talk.ask("subscribe", channel="prices", symbols=["BTC/USDT", "ETH/USDT", "DOGE/USDT"])
    assert code_of(answer) == "too_many_subscriptions"
    assert talk.ask("subscribe", channel="prices", symbols=["BTC/USDT", "ETH/USDT"])["type"] == "subscribed"


def test_what_is_named_twice_is_asked_for_once(
    dial: Socket, host: StreamerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Wish] = []
    monkeypatch.setattr(host.streamer._services.streams, "check", lambda _user, wish: asked.append(wish))
    answer = dial().ask("subscribe", channel="candles", symbol="BTC/USDT", symbols=["btc-usdt", "ETH/USDT"] * 50)
    assert answer["data"]["symbols"] == ["BTC/USDT", "ETH/USDT"]
    assert len(asked) == 2


def test_what_a_user_asks_for_is_bounded_over_all_their_sockets(
    dial: Socket, host: StreamerHost, other: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.streamer, "_checks", Allowance(at_once=3, per_second=0.1))
    both = {"channel": "candles", "symbols": ["BTC/USDT", "ETH/USDT"], "id": 1}
    first, second, theirs = dial(), dial(), dial(headers=other.headers)
    assert first.ask("subscribe", **both)["type"] == "subscribed"
    refused = second.ask("subscribe", **both)
    assert code_of(refused) == "rate_limited"
    assert 0 < refused["data"]["retry_after"] <= 10
    assert theirs.ask("subscribe", **both)["type"] == "subscribed"
    # what the streamer knows itself costs nothing
    assert second.ask("subscribe", channel="prices", symbols=["BTC/USDT"])["type"] == "subscribed"


def test_nobody_takes_the_candles_of_everybody(
    dial: Socket, host: StreamerHost, other: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candles, "MOST_PER_USER", 2)
    both = {"channel": "candles", "symbols": ["BTC/USDT", "ETH/USDT"]}
    first, second, theirs = dial(), dial(), dial(headers=other.headers)
    assert first.ask("subscribe", **both)["type"] == "subscribed"
    assert second.ask("subscribe", **both)["type"] == "subscribed"
    third = dial()
    refused = third.ask("subscribe", channel="candles", symbol="BTC/USDT", timeframe="5m")
    assert code_of(refused) == "too_many_candles"
    assert host.call(host.streamer.status).topics["candles"] == 2
    assert theirs.ask("subscribe", channel="candles", symbol="BTC/USDT", timeframe="5m")["type"] == "subscribed"
    for socket in (first, second):
        socket.connection.close()
    until(lambda: third.ask("subscribe", channel="candles", symbol="BTC/USDT", timeframe="5m")["type"] == "subscribed")


def test_messages_are_bounded(dial: Socket) -> None:
    talk = dial()
    talk.connection.send("x" * 20_000)
    assert talk.end() == 1009


def test_who_talks_without_waiting_is_cut(dial: Socket) -> None:
    talk = dial()
    for _ in range(2000):
        try:
            talk.say("subscribe", channel="prices", symbols=["BTC/USDT"])
        except ConnectionClosed:
            break
    assert talk.end() == websocket.POLICY_VIOLATION


def test_binary_messages_are_not_for_us(dial: Socket) -> None:
    talk = dial()
    talk.connection.send(b"\x00")
    assert talk.end() == websocket.UNSUPPORTED


def test_messages_may_come_in_pieces(dial: Socket) -> None:
    talk = dial()
    talk.connection.send(iter(['{"action":"sub', 'scribe","channel"', ':"prices","id":1}']))
    assert talk.hear()["id"] == 1


def test_a_session_that_ends_is_cut(quick: None, dial: Socket, app: Flask, user: SignedIn) -> None:
    talk = dial("/ws/account")
    services_of(app).sessions.log_out(user.principal, SYSTEM)
    started = time.monotonic()
    assert talk.end() == hub.SESSION_ENDED
    assert time.monotonic() - started < 15


def test_at_a_restart_clients_are_told_to_come_back(dial: Socket, host: StreamerHost) -> None:
    talk = dial()
    host.stop()
    assert talk.end() == 1012
    host.start()


def test_pings_are_answered_or_the_client_is_gone(dial: Socket, host: StreamerHost) -> None:
    talk = dial()
    client = host.call(lambda: next(iter(host.streamer.hub.clients)))
    host.call(client.beat)
    until(lambda: host.call(lambda: client._silent) == 0)  # type: ignore[attr-defined]
    host.call(lambda: (client.beat(), client.beat()))  # no answer can come in between
    with pytest.raises(ConnectionClosed):
        talk.hear()
    assert host.call(host.streamer.status).drops == {"silent": 1}


@pytest.mark.parametrize("origin", ["https://evil.example", "https://[evil.example", "null"])
def test_pages_of_other_origins_stay_outside(dial: Socket, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(origin=origin)
    assert refused.value.response.status_code == 403
    assert json.loads(refused.value.response.body or b"")["error_code"] == "origin_not_allowed"
    assert dial(origin="http://localhost:3000").ask("unsubscribe", channel="prices")["type"] == "unsubscribed"


def test_a_ticket_opens_one_socket(dial: Socket, app: Flask, user: SignedIn) -> None:
    ticket = services_of(app).tickets.issue(user.principal, SYSTEM).ticket
    talk = dial(f"/ws/account?ticket={ticket}", headers={})
    assert talk.ask("subscribe", channel="account")["type"] == "subscribed"
    with pytest.raises(InvalidStatus) as refused:
        dial(f"/ws/account?ticket={ticket}", headers={})
    assert json.loads(refused.value.response.body or b"")["error_code"] == "ticket_invalid"


def test_an_api_key_opens_sockets_until_it_is_deleted(quick: None, dial: Socket, app: Flask, user: SignedIn) -> None:
    keys, headers = services_of(app).api_keys, with_key(app, user, "read")
    market, account = dial(headers=headers), dial("/ws/account", headers=headers)
    assert market.ask("subscribe", channel="prices", symbols=["BTC/USDT"])["type"] == "subscribed"
    assert account.ask("subscribe", channel="account", account=user.account_id)["type"] == "subscribed"
    keys.delete(user.principal, SYSTEM, keys.principal(headers["X-API-Key"]).session_id)
    started = time.monotonic()
    assert (market.end(), account.end()) == (hub.SESSION_ENDED, hub.SESSION_ENDED)
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x.y.z"}])
@pytest.mark.parametrize("path", ["/ws/market", "/ws/account"])
def test_nobody_comes_in_without_a_token(dial: Socket, path: str, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(path, headers=headers)
    assert refused.value.response.status_code == 401


def test_a_slow_socket_gets_the_newest_prices(host: StreamerHost, dial: Socket, engine: FakeEngine) -> None:
    talk = dial()
    talk.ask("subscribe", channel="prices", symbols=["BTC/USDT"])
    talk.hear()
    client = host.call(lambda: next(iter(host.streamer.hub.clients)))
    host.call(client.pause_writing)
    for price in (51_000, 52_000, 53_000):
        engine.set_price("BTC/USDT", Decimal(price))
    until(lambda: b"53000" in host.call(lambda: host.streamer.feeds.prices["demo"].latest["BTC/USDT"].sse))
    host.call(client.resume_writing)
    assert talk.hear()["data"]["price"] == "53000"
    with closing(talk.connection):
        pass
