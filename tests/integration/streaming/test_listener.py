"""The streamer's own port, with real sockets."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

import models
from models import Database
from services.audit import SYSTEM
from streaming import candles, hub, listener, streamer
from tests.factories import SignedIn, services_of, with_key
from tests.fake_engine import FakeEngine
from tests.integration.streaming.conftest import Dial
from tests.integration.streaming.reader import Reader
from tests.problems import MEMBERS
from tests.streamer_host import EngineSocket, StreamerHost, until
from utils import clock
from utils.wire import AccountEvent

LOCAL = "http://localhost:3000"
BTC = "/api/stream/prices?symbols=btc-usdt"


def commit(database: Database, user: SignedIn, count: int = 1, type: str = "order") -> list[AccountEvent]:
    """Store events as the engine does, and return them."""
    with database.write() as session:
        counter = session.get(models.EventCounter, user.id) or models.EventCounter(user_id=user.id, last_id=0)
        session.add(counter)
        first = counter.last_id + 1
        counter.last_id += count
        rows = [
            models.Event(
                user_id=user.id,
                id=id,
                account_id=user.account_id,
                type=type,
                payload=f'{{"n":{id}}}',
                created_at=clock.now(),
            )
            for id in range(first, first + count)
        ]
        session.add_all(rows)
        return [
            AccountEvent(
                user_id=user.id,
                id=row.id,
                account=user.account_id,
                type="order",
                created_at=row.created_at,
                payload=row.payload.encode(),
            )
            for row in rows
        ]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Look at sessions ten times a second; must come before `host`."""
    monkeypatch.setattr(streamer, "SESSION_SECONDS", 0.1)
    monkeypatch.setattr(streamer, "TICKET_SECONDS", 0.1)
    monkeypatch.setattr(hub, "TICK_SECONDS", 0.1)
    yield


def test_prices(dial: Dial, engine: FakeEngine, user: SignedIn) -> None:
    stream = dial(BTC)
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.headers["cache-control"] == "no-store"
    assert stream.block().retry == "2000"
    first = stream.event()
    assert (first.event, first.data["symbol"], first.data["price"]) == ("price", "BTC/USDT", "50000")
    engine.set_price("BTC/USDT", Decimal(51_000))
    second = stream.event()
    assert second.data["price"] == "51000"
    engine.set_price("BTC/USDT", Decimal(52_000))
    engine.set_price("BTC/USDT", Decimal(53_000))
    assert [event.data["price"] for event in stream.events(2)] == ["52000", "53000"]
    by_header = dial(f"{BTC}&since_id=0", headers={**user.headers, "Last-Event-ID": str(second.id)})
    by_query = dial(f"{BTC}&since_id={second.id}")
    for resumed in (by_header, by_query):
        assert [event.data["price"] for event in resumed.events(2)] == ["52000", "53000"]


def test_candles_are_those_of_the_rest_api(dial: Dial, engine: FakeEngine, client: FlaskClient, user: SignedIn) -> None:
    stream = dial("/api/stream/candles?symbol=BTC-USDT&timeframe=1minute")
    closed, running = stream.events(2)
    engine.set_price("BTC/USDT", Decimal(51_000))
    moved = stream.event()
    answer = client.get("/api/market/candles?symbol=BTC/USDT&timeframe=1m&limit=2", headers=user.headers).get_json()
    told = [closed.data, moved.data]
    if moved.data["timestamp"] == running.data["timestamp"]:  # no minute began meanwhile
        assert told == answer["data"]
    assert (closed.event, closed.data["closed"], running.data["closed"]) == ("candle", True, False)
    assert int(running.id or 0) == running.data["timestamp"]
    resumed = dial(f"/api/stream/candles?symbol=BTC-USDT&timeframe=1m&since_id={closed.id}")
    assert resumed.events(2)[0].data == closed.data
    again = dial("/api/stream/candles?symbol=BTC-USDT&timeframe=1m&since_id=60000")
    assert [each.event for each in again.events(3)] == ["reset", "candle", "candle"]


def test_nobody_takes_the_candles_of_everybody(
    dial: Dial, other: SignedIn, host: StreamerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candles, "MOST_PER_USER", 1)
    path = "/api/stream/candles?symbol={}"
    first, second = dial(path.format("BTC/USDT")), dial(path.format("BTC/USDT"))
    assert (first.status, second.status) == (200, 200)
    refused = dial(path.format("ETH/USDT"))
    assert (refused.status, refused.problem()["error_code"]) == (429, "too_many_candles")
    assert refused.headers["retry-after"] == "5"
    assert dial(path.format("ETH/USDT"), headers=other.headers).status == 200
    first.close()
    second.close()
    until(lambda: len(host.streamer.hub.clients) == 1)
    assert dial(path.format("ETH/USDT")).status == 200


def test_account_events(dial: Dial, database: Database, user: SignedIn, other: SignedIn, socket: EngineSocket) -> None:
    commit(database, user, 3)
    stream = dial("/api/stream/account")
    assert stream.block().retry == "2000"
    assert stream.block().id == "3"  # from here on, should it break before anything happens
    commit(database, other, 2)
    socket.tell(*commit(database, user, 2))
    assert [(event.id, event.event, event.data) for event in stream.events(2)] == [
        ("4", "order", {"n": 4}),
        ("5", "order", {"n": 5}),
    ]
    assert [event.id for event in dial("/api/stream/account?since_id=1").events(4)] == ["2", "3", "4", "5"]
    mine = dial(f"/api/stream/account?account={user.account_id}&since_id=4")
    assert mine.event().id == "5"
    assert dial("/api/stream/account?since_id=99").event().event == "reset"


def test_account_events_have_neither_gap_nor_double_when_the_engine_is_killed(
    dial: Dial, database: Database, user: SignedIn, socket: EngineSocket, host: StreamerHost
) -> None:
    stream = dial("/api/stream/account?since_id=0")
    socket.tell(*commit(database, user, 2))
    commit(database, user, 2)  # committed, but the engine was killed before it could tell
    socket.go_away()
    assert [event.id for event in stream.events(2)] == ["1", "2"]
    socket.come_back()
    host.wait_until_it_follows()
    socket.tell(*commit(database, user, 1))
    assert [event.id for event in stream.events(3)] == ["3", "4", "5"]


def test_account_events_resume_over_a_restart_of_the_streamer(
    dial: Dial, database: Database, user: SignedIn, host: StreamerHost
) -> None:
    commit(database, user, 2)
    stream = dial("/api/stream/account?since_id=0")
    assert [event.id for event in stream.events(2)] == ["1", "2"]
    host.stop()
    assert b"retry: " in stream.rest()
    commit(database, user, 2)
    host.start()
    assert [event.id for event in dial("/api/stream/account?since_id=2").events(2)] == ["3", "4"]


def test_prices_resume_without_a_gap_over_a_restart_of_the_streamer(
    dial: Dial, engine: FakeEngine, host: StreamerHost
) -> None:
    last = dial(BTC).event().id
    host.stop()
    for price in (51_000, 52_000):
        engine.set_price("BTC/USDT", Decimal(price))
    host.start()  # clients may come before it knows what the engine keeps
    resumed = dial(f"{BTC}&since_id={last}")
    assert [(event.event, event.data["price"]) for event in resumed.events(2)] == [
        ("price", "51000"),
        ("price", "52000"),
    ]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/stream/prices?symbols=XXX", 404, "unknown_symbol"),
        ("/api/stream/prices?exchange=nowhere", 404, "unknown_exchange"),
        ("/api/stream/prices?symbols=%3F", 422, "validation_failed"),
        ("/api/stream/prices?x=1", 422, "validation_failed"),
        ("/api/stream/prices?since_id=-1", 422, "validation_failed"),
        ("/api/stream/prices?since_id=99999999999999999999", 422, "validation_failed"),
        ("/api/stream/prices?symbols=" + ",".join(["A/B"] * 101), 422, "validation_failed"),
        ("/api/stream/candles", 422, "validation_failed"),
        ("/api/stream/candles?symbol=BTC/USDT&timeframe=7y", 422, "unknown_timeframe"),
        ("/api/stream/candles?symbol=XXX", 404, "unknown_symbol"),
        ("/api/stream/account?account=somebody-elses", 404, "account_not_found"),
        ("/api/stream/account?account=%00", 422, "validation_failed"),
        ("/api/stream/nothing", 404, "not_found"),
        ("/ws/market", 400, "websocket_handshake"),
        ("/ws/nothing", 404, "not_found"),
        ("/api/stream/prices?" + "&".join(f"a{n}=1" for n in range(50)), 400, "malformed_request"),
        ("/api/stream/prices?symbols=" + "A" * 20_000, 400, "headers_too_large"),
    ],
)
def test_what_is_refused_has_the_one_error_body(dial: Dial, path: str, status: int, code: str) -> None:
    answer = dial(path)
    body = answer.problem()
    assert set(body) == MEMBERS
    assert (answer.status, body["status"], body["error_code"]) == (status, status, code)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "token_missing"),
        ({"Authorization": "Basic x"}, "token_invalid"),
        ({"Authorization": "Bearer x.y.z"}, "token_invalid"),
    ],
)
@pytest.mark.parametrize("path", ["/api/stream/prices", "/api/stream/candles?symbol=BTC/USDT", "/api/stream/account"])
def test_nobody_comes_in_without_a_token(dial: Dial, path: str, headers: dict[str, str], code: str) -> None:
    answer = dial(path, headers=headers)
    assert (answer.status, answer.problem()["error_code"]) == (401, code)
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_an_api_key_that_may_read_follows_everything(dial: Dial, app: Flask, user: SignedIn) -> None:
    key = with_key(app, user, "read")
    assert dial(BTC, headers=key).event().data["price"] == "50000"
    assert dial("/api/stream/candles?symbol=BTC/USDT", headers=key).event().event == "candle"
    assert dial(f"/api/stream/account?account={user.account_id}", headers=key).status == 200


def test_an_api_key_that_may_not_read_follows_nothing(dial: Dial, app: Flask, admin: SignedIn) -> None:
    answer = dial(BTC, headers=with_key(app, admin, "admin"))
    assert (answer.status, answer.problem()["error_code"]) == (403, "forbidden")


def test_an_api_key_is_good_alone(dial: Dial, app: Flask, user: SignedIn) -> None:
    key, ticket = with_key(app, user, "read"), services_of(app).tickets.issue(user.principal, SYSTEM).ticket
    refused = {
        "made up": dial(BTC, headers={"X-API-Key": "tbk_" + "x" * 43}),
        "empty": dial(BTC, headers={"X-API-Key": ""}),
        "with a token": dial(BTC, headers={**user.headers, **key}),
        "with a ticket": dial(f"{BTC}&ticket={ticket}", headers=key),
    }
    assert {how: (answer.status, answer.problem()["error_code"]) for how, answer in refused.items()} == {
        "made up": (401, "api_key_invalid"),
        "empty": (401, "api_key_invalid"),
        "with a token": (401, "token_invalid"),
        "with a ticket": (401, "token_invalid"),
    }
    assert dial(f"{BTC}&ticket={ticket}", headers={}).status == 200


def test_an_api_key_that_is_deleted_is_cut(quick: None, dial: Dial, app: Flask, user: SignedIn) -> None:
    keys = services_of(app).api_keys
    key, kept = with_key(app, user, "read"), with_key(app, user, "read")
    mine, theirs = dial(BTC, headers=key), dial(BTC, headers=kept)
    assert mine.event().event == "price"
    keys.delete(user.principal, SYSTEM, keys.principal(key["X-API-Key"]).session_id)
    started = time.monotonic()
    assert mine.rest().endswith(b"\n\n")
    assert time.monotonic() - started < 15
    assert theirs.event().event == "price"


def test_an_event_source_comes_back_with_its_ticket(dial: Dial, app: Flask, user: SignedIn) -> None:
    ticket = services_of(app).tickets.issue(user.principal, SYSTEM).ticket
    for _ in range(2):
        assert dial(f"/api/stream/account?ticket={ticket}", headers={}).status == 200
    assert dial("/api/stream/account?ticket=made-up", headers={}).problem()["error_code"] == "ticket_invalid"


def test_tickets_of_streams_that_broke_are_kept(
    quick: None, dial: Dial, app: Flask, user: SignedIn, host: StreamerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = services_of(app).tickets.issue(user.principal, SYSTEM).ticket
    kept: list[set[str]] = []
    monkeypatch.setattr(host.streamer._services.tickets, "keep", kept.append)
    dial(f"/api/stream/account?ticket={ticket}", headers={}).close()
    until(lambda: kept == [{ticket}])


def test_pages_of_allowed_origins_may_read_streams(dial: Dial, user: SignedIn) -> None:
    allowed = dial(BTC, headers={**user.headers, "Origin": LOCAL})
    assert allowed.headers["access-control-allow-origin"] == LOCAL
    assert allowed.headers["vary"] == "Origin"
    other = dial(BTC, headers={**user.headers, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    refused = dial(BTC, headers={"Origin": LOCAL})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, LOCAL)
    asked = dial(BTC, method="OPTIONS", headers={"Origin": LOCAL, "Access-Control-Request-Method": "GET"})
    assert asked.status == 204
    assert "Authorization" in asked.headers["access-control-allow-headers"]


def test_a_session_that_ends_is_cut(quick: None, dial: Dial, app: Flask, user: SignedIn, other: SignedIn) -> None:
    mine, theirs = dial(BTC), dial(BTC, headers=other.headers)
    mine.events(1)
    services_of(app).sessions.log_out(user.principal, SYSTEM)
    started = time.monotonic()
    assert mine.rest().endswith(b"\n\n")
    assert time.monotonic() - started < 15
    assert theirs.event().event == "price"


def test_a_token_that_expires_is_cut(quick: None, dial: Dial, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.users.sessions.Sessions.expires_at", lambda *_: time.time() + 0.5)
    stream = dial(BTC)
    stream.event()
    started = time.monotonic()
    stream.rest()
    assert time.monotonic() - started < 15


def test_who_does_not_read_is_dropped_and_leaves_nothing_behind(
    dial: Dial, engine: FakeEngine, host: StreamerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "STALLED_SECONDS", 0.5)
    unread = [dial(BTC, buffer=2048) for _ in range(5)]
    reading = dial(BTC)
    price = 50_000

    def push() -> bool:
        nonlocal price
        for _ in range(200):
            price += 1
            engine.set_price("BTC/USDT", Decimal(price))
        while reading.event().data["price"] != str(price):
            pass
        return host.call(lambda: host.streamer.hub.drops["stalled"]) == len(unread)

    until(push, 40)
    assert host.call(host.streamer.status).clients["sse"] == 1


def test_connections_leave_no_descriptors_behind(dial: Dial, host: StreamerHost) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))

    for _ in range(20):
        dial(BTC).close()  # threads open what they keep
    before = descriptors()
    for _ in range(100):
        dial(BTC).close()
    until(lambda: not host.streamer.hub.clients)
    until(lambda: descriptors() <= before + 20)


def test_who_says_nothing_is_cut(dial: Dial, host: StreamerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.2)
    silent = Reader(("127.0.0.1", host.streamer.port or 0))
    slow = Reader(("127.0.0.1", host.streamer.port or 0))
    slow.socket.sendall(b"GET /api/stream/prices HTTP/1.1\r\nHost: x\r\n")
    for each in (silent, slow):
        with pytest.raises((EOFError, ConnectionResetError)):
            each.read_head()
        each.close()


def test_a_crowd_waits_instead_of_being_cut(dial: Dial, user: SignedIn, host: StreamerHost) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener, "MOST_ASKING", 1)
        readers = [Reader(("127.0.0.1", host.streamer.port or 0)) for _ in range(30)]
        line = f"GET {BTC} HTTP/1.1\r\nHost: x\r\nAuthorization: {user.headers['Authorization']}\r\n\r\n"
        for reader in readers:
            reader.socket.sendall(line.encode())
        assert {reader.read_head().status for reader in readers} == {200}
        for reader in readers:
            reader.close()


def test_of_those_who_say_nothing_the_first_make_room(host: StreamerHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MOST_SILENT", 2)
    silent = [Reader(("127.0.0.1", host.streamer.port or 0)) for _ in range(3)]
    with pytest.raises((EOFError, ConnectionResetError)):
        silent[0].read_head()
    assert host.call(lambda: len(host.streamer._listener.silent)) == 2
    for each in silent:
        each.close()


def test_what_is_no_http_is_refused(host: StreamerHost) -> None:
    reader = Reader(("127.0.0.1", host.streamer.port or 0))
    reader.socket.sendall(b"\x16\x03\x01nonsense\r\n\r\n")
    assert reader.read_head().status == 400
    reader.close()


@pytest.mark.parametrize(
    ("target", "more", "status"),
    [
        ("//[", "", 404),
        ("http://[::1/api/stream/prices", "", 404),
        ("/api/stream/prices?symbols=BTC/USDT&symbols=ETH/USDT", "", 422),
        ("/api/stream/prices", "Authorization: Bearer another\r\n", 400),
        ("/api/stream/prices", "X-API-Key: one\r\nX-API-Key: another\r\n", 400),
        ("/api/stream/account", "Last-Event-ID: 1\r\nLast-Event-ID: 2\r\n", 400),
        ("/api/stream/prices", "Origin: http://localhost\r\nOrigin: http://evil.example\r\n", 400),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(
    host: StreamerHost, user: SignedIn, target: str, more: str, status: int
) -> None:
    reader = Reader(("127.0.0.1", host.streamer.port or 0))
    head = f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {user.headers['Authorization']}\r\n{more}\r\n"
    reader.socket.sendall(head.encode())
    assert reader.read_head().status == status
    reader.close()


def test_lines_end_as_http_wants_it(host: StreamerHost, user: SignedIn) -> None:
    reader = Reader(("127.0.0.1", host.streamer.port or 0))
    reader.socket.sendall(f"GET {BTC} HTTP/1.1\nHost: x\nAuthorization: {user.headers['Authorization']}\n\n".encode())
    assert reader.read_head().status == 400
    reader.close()


def test_other_methods_are_refused(dial: Dial, user: SignedIn) -> None:
    answer = dial(BTC, method="POST", headers={**user.headers, "Content-Length": "0"})
    assert (answer.status, answer.problem()["error_code"]) == (405, "method_not_allowed")
