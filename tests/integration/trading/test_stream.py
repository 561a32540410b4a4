"""The price stream over HTTP: framing, resuming, its bound, and how it ends.

No gunicorn is here: the web server passes on what the streamer writes. See `tests/integration/streaming` for the doors.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import Settings
from services.audit import SYSTEM
from streaming import hub, streamer
from streaming.streamer import SESSION_SECONDS
from tests.factories import SignedIn, services_of
from tests.fake_engine import FakeEngine
from tests.problems import assert_problem, fields
from tests.streamer_host import EngineSocket, StreamerHost, until
from utils.errors import EngineUnavailable

PATH = "/api/stream/prices"
Open = Callable[..., TestResponse]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, streams=4, streams_per_user=2)


@pytest.fixture
def socket(settings: Settings, engine: FakeEngine) -> Iterator[EngineSocket]:
    """The engine, where the streamer looks for it."""
    socket = EngineSocket(settings, engine)
    socket.start()
    yield socket
    socket.close()


@pytest.fixture(autouse=True)
def host(settings: Settings, socket: EngineSocket, monkeypatch: pytest.MonkeyPatch) -> Iterator[StreamerHost]:
    """The streamer; it looks ten times a second which sessions have ended."""
    monkeypatch.setattr(streamer, "SESSION_SECONDS", 0.1)
    host = StreamerHost(settings).start().wait_until_it_follows()
    yield host
    host.close()


@pytest.fixture
def open_stream(client: FlaskClient, user: SignedIn, host: StreamerHost) -> Iterator[Open]:
    """Start a stream; every one is closed after the test."""
    opened: list[TestResponse] = []

    def start(query: str = "?symbols=BTC-USDT", caller: SignedIn = user, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = client.get(PATH + query, headers={**caller.headers, **named}, buffered=False)
        opened.append(response)
        return response

    yield start
    for response in opened:
        response.close()


def blocks(response: TestResponse) -> Iterator[dict[str, str]]:
    """Read the stream as a browser does: one dictionary per block; comments under the empty name."""
    unread = ""
    for chunk in response.response:
        unread += chunk.decode() if isinstance(chunk, bytes) else chunk
        *whole, unread = unread.split("\n\n")
        for block in whole:
            pairs = [line.partition(": ") for line in block.split("\n")]
            yield {name.removesuffix(":"): value for name, _, value in pairs}


def events(response: TestResponse, count: int) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    stream = blocks(response)
    while len(found) < count:
        block = next(stream)
        if "event" in block:
            found.append(block)
    return found


def events_of(response: TestResponse) -> Iterator[dict[str, str]]:
    return (block for block in blocks(response) if "event" in block)


def price_of(event: dict[str, str]) -> str:
    return str(json.loads(event["data"])["price"])


def test_a_stream_is_framed_for_browsers(open_stream: Open, engine: FakeEngine) -> None:
    response = open_stream()
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in response.headers
    stream = blocks(response)
    assert next(stream) == {"retry": "2000"}
    first = next(stream)
    assert set(first) == {"id", "event", "data"}
    assert first["event"] == "price"
    payload = json.loads(first["data"])
    assert set(payload) == {"symbol", "exchange", "price", "bid", "ask", "as_of"}
    assert (payload["symbol"], payload["exchange"], payload["price"]) == ("BTC/USDT", "demo", "50000")
    assert payload["as_of"].endswith("Z")
    engine.set_price("ETH/USDT", Decimal(2_000))
    engine.set_price("BTC/USDT", Decimal(50_500))
    second = next(stream)
    assert (price_of(second), int(second["id"]) > int(first["id"])) == ("50500", True)


def test_a_stream_holds_every_market_unless_some_are_named(open_stream: Open) -> None:
    named = {json.loads(event["data"])["symbol"] for event in events(open_stream("?symbols=btc-usdt,ETH/USDT"), 2)}
    assert named == {"BTC/USDT", "ETH/USDT"}
    assert len({json.loads(event["data"])["symbol"] for event in events(open_stream(""), 4)}) == 4


@pytest.mark.parametrize("by", ["header", "query"])
def test_a_stream_resumes_without_a_gap(open_stream: Open, engine: FakeEngine, by: str) -> None:
    response = open_stream()
    [last] = events(response, 1)
    response.close()
    for price in (51_000, 52_000):
        engine.set_price("BTC/USDT", Decimal(price))
    if by == "header":
        resumed = open_stream("?symbols=BTC-USDT&since_id=0", Last_Event_ID=last["id"])
    else:
        resumed = open_stream(f"?symbols=BTC-USDT&since_id={last['id']}")
    assert [price_of(event) for event in events(resumed, 2)] == ["51000", "52000"]


def test_a_gap_is_told_as_a_reset(open_stream: Open) -> None:
    reset, price = events(open_stream(Last_Event_ID="999999999"), 2)
    assert (reset["event"], reset["data"]) == ("reset", "{}")
    assert (price["event"], price_of(price)) == ("price", "50000")


def test_silence_is_filled_with_comments(open_stream: Open, host: StreamerHost) -> None:
    response = open_stream()
    events(response, 1)
    stream = blocks(response)
    for _ in range(2):
        for _ in range(hub.HEARTBEAT_SECONDS["sse"]):
            host.call(lambda: host.streamer.hub.tick(0, 0))
        assert next(stream) == {"": "heartbeat"}


def test_the_promised_times_are_kept() -> None:
    """A heartbeat at least every 15 s and a look at the session at least every 5 s."""
    assert hub.HEARTBEAT_SECONDS == {"sse": 15, "websocket": 20}
    assert 2 * SESSION_SECONDS <= 5


def test_the_engine_may_go_away_and_come_back(open_stream: Open, engine: FakeEngine, socket: EngineSocket) -> None:
    response = open_stream()
    stream = events_of(response)
    assert price_of(next(stream)) == "50000"
    engine.set_price("BTC/USDT", Decimal(51_000))
    assert price_of(next(stream)) == "51000"
    socket.go_away()
    engine.set_price("BTC/USDT", Decimal(52_000))
    socket.come_back()
    assert price_of(next(stream)) == "52000"
    engine.set_price("BTC/USDT", Decimal(53_000))
    assert price_of(next(stream)) == "53000"


def test_a_stream_ends_with_its_session(open_stream: Open, app: Flask, user: SignedIn) -> None:
    response = open_stream()
    events(response, 1)
    services_of(app).sessions.log_out(user.principal, SYSTEM)
    started = time.monotonic()
    assert all("event" not in block for block in blocks(response))
    assert time.monotonic() - started < 15


def test_a_stream_that_is_busy_ends_with_its_session_too(
    open_stream: Open, app: Flask, user: SignedIn, engine: FakeEngine
) -> None:
    response = open_stream()
    events(response, 1)
    done = threading.Event()

    def move() -> None:
        price = 50_000
        while not done.wait(0.01):
            price += 1
            engine.set_price("BTC/USDT", Decimal(price))

    mover = threading.Thread(target=move)
    mover.start()
    try:
        services_of(app).sessions.log_out(user.principal, SYSTEM)
        started = time.monotonic()
        assert sum(1 for _ in blocks(response)) > 0
        assert time.monotonic() - started < 15
    finally:
        done.set()
        mover.join()


def test_at_the_end_of_the_streamer_clients_are_told_when_to_come_back(open_stream: Open, host: StreamerHost) -> None:
    stream = blocks(open_stream())
    assert next(stream) == {"retry": "2000"}
    assert next(stream)["event"] == "price"
    host.stop()
    [last] = list(stream)
    assert 500 <= int(last["retry"]) <= 4000
    assert_problem(open_stream(), 503, "streamer_unavailable")
    host.start()


# ------------------------------------------------------------------------------------------------ the bound


def test_streams_are_bounded(
    open_stream: Open, client: FlaskClient, user: SignedIn, other: SignedIn, admin: SignedIn, host: StreamerHost
) -> None:
    first, *_, last = [open_stream(caller=each) for each in (user, user, other, other)]
    assert (first.status_code, last.status_code) == (200, 200)
    refused = open_stream(caller=admin)
    assert_problem(refused, 503, "streams_exhausted")
    assert int(refused.headers["Retry-After"]) > 0
    assert client.get("/api/market/tickers", headers=user.headers).status_code == 200
    events(first, 1)
    first.close()  # the client goes away in the middle
    last.close()  # and one that never read anything
    until(lambda: len(host.streamer.hub.clients) == 2)
    assert open_stream(caller=user).status_code == 200
    assert open_stream(caller=admin).status_code == 200
    assert open_stream(caller=admin).status_code == 503
    assert host.call(host.streamer.status).refusals == {"streams_exhausted": 2}


def test_nobody_takes_the_streams_of_others(open_stream: Open, other: SignedIn) -> None:
    assert [open_stream().status_code for _ in range(2)] == [200, 200]
    refused = open_stream()
    assert_problem(refused, 429, "too_many_streams")
    assert int(refused.headers["Retry-After"]) > 0
    assert open_stream(caller=other).status_code == 200


def test_refused_streams_take_no_slot(open_stream: Open) -> None:
    for _ in range(5):
        assert_problem(open_stream("?symbols=XXX-USDT"), 404, "unknown_symbol")
    assert [open_stream().status_code for _ in range(3)] == [200, 200, 429]


def test_an_engine_that_is_away_takes_no_slot(open_stream: Open, engine: FakeEngine) -> None:
    engine.fail_with(EngineUnavailable("The engine cannot be reached.", retry_after=2))
    for _ in range(3):
        assert_problem(open_stream(), 503, "engine_unavailable")
    engine.fail_with(None)
    assert open_stream().status_code == 200


@pytest.mark.parametrize(
    ("query", "header", "field"),
    [
        ("?symbols=%3F", None, "symbols"),
        ("?since_id=x", None, "since_id"),
        ("?since_id=-1", None, "since_id"),
        ("?since_id=99999999999999999999", None, "since_id"),
        ("", "x", "Last-Event-ID"),
        ("?token=x", None, "token"),
    ],
)
def test_bad_queries(open_stream: Open, query: str, header: str | None, field: str) -> None:
    headers = {} if header is None else {"Last_Event_ID": header}
    problem = assert_problem(open_stream(query, **headers), 422, "validation_failed")
    assert {name for name, _ in fields(problem)} == {field}
