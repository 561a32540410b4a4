"""The whole way through a real gunicorn: it lets go of the connection, and nothing of it is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

from flask import Flask
from websockets.sync.client import ClientConnection, connect

from services.audit import SYSTEM
from tests.factories import SignedIn, services_of
from tests.fake_engine import FakeEngine
from tests.integration.streaming.reader import Reader
from tests.streamer_host import StreamerHost, until

BTC = "/api/stream/prices?symbols=btc-usdt"
THREADS = 4
Web = tuple[str, int]


@contextmanager
def stream(web: Web, user: SignedIn, path: str = BTC) -> Iterator[Reader]:
    with closing(Reader(web)) as reader:
        yield reader.ask(path, user.headers)


def talk(web: Web, path: str, headers: dict[str, str]) -> ClientConnection:
    return connect(f"ws://{web[0]}:{web[1]}{path}", additional_headers=headers)


def children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in listed.split()]


def test_more_streams_than_threads_and_the_api_still_answers(
    web: Web, user: SignedIn, engine: FakeEngine, host: StreamerHost
) -> None:
    readers = [Reader(web).ask(BTC, user.headers) for _ in range(5 * THREADS)]
    assert {reader.status for reader in readers} == {200}
    assert {reader.event().data["price"] for reader in readers} == {"50000"}
    with closing(Reader(web)) as rest:
        assert rest.ask("/api/auth/me", user.headers).status == 200
    engine.set_price("BTC/USDT", Decimal(51_000))
    assert {reader.event().data["price"] for reader in readers} == {"51000"}
    for reader in readers:
        reader.close()
    until(lambda: host.call(host.streamer.status).clients["sse"] == 0)


def test_streams_outlive_a_reload_and_leave_no_descriptors(
    web: Web, user: SignedIn, engine: FakeEngine, master: int
) -> None:
    [worker] = children(master)
    for _ in range(5):
        with stream(web, user) as reader:
            reader.event()
    before = len(list(Path(f"/proc/{worker}/fd").iterdir()))
    with stream(web, user) as lasting:
        assert lasting.event().data["price"] == "50000"
        for _ in range(30):
            with stream(web, user) as reader:
                reader.event()
        until(lambda: len(list(Path(f"/proc/{worker}/fd").iterdir())) <= before + THREADS)
        os.kill(master, signal.SIGHUP)
        until(lambda: children(master) and worker not in children(master), 30)
        engine.set_price("BTC/USDT", Decimal(51_000))
        assert lasting.event().data["price"] == "51000"
        with stream(web, user) as fresh:
            assert fresh.event().data["price"] == "51000"


def test_what_comes_in_one_piece_with_the_handshake_is_not_lost(web: Web, user: SignedIn) -> None:
    action = b'{"action":"subscribe","channel":"prices","symbols":["BTC/USDT"],"id":1}'
    mask = b"\x00\x00\x00\x00"
    head = (
        f"GET /ws/market HTTP/1.1\r\nHost: x\r\nAuthorization: {user.headers['Authorization']}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()
    with closing(socket.create_connection(web, 60)) as connection:
        connection.sendall(head + b"\x81" + bytes([0x80 | len(action)]) + mask + action)
        received = b""
        while b'"type":"price"' not in received:
            chunk = connection.recv(65536)
            assert chunk, received
            received += chunk
    assert received.startswith(b"HTTP/1.1 101 ")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in received
    assert received.index(b'"type":"subscribed"') < received.index(b'"type":"price"')


def test_websockets_with_a_token_and_with_a_ticket(web: Web, user: SignedIn, app: Flask, engine: FakeEngine) -> None:
    ticket = services_of(app).tickets.issue(user.principal, SYSTEM).ticket
    for path, headers in (("/ws/market", user.headers), (f"/ws/market?ticket={ticket}", {})):
        with talk(web, path, headers) as socket:
            socket.send(json.dumps({"action": "subscribe", "channel": "prices", "symbols": ["BTC/USDT"]}))
            assert json.loads(socket.recv(timeout=60))["type"] == "subscribed"
            assert json.loads(socket.recv(timeout=60))["data"]["price"] == "50000"


def test_while_the_streamer_is_away_clients_are_told_and_it_comes_back(
    web: Web, user: SignedIn, host: StreamerHost
) -> None:
    with stream(web, user) as reader:
        reader.event()
        host.stop()
        reader.rest()
    with stream(web, user) as refused:
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.problem()["error_code"] == "streamer_unavailable"
        host.start()
        assert refused.ask(BTC, user.headers).event().event == "price"  # on the same connection


def test_candles_and_account_events_come_this_way_too(web: Web, user: SignedIn) -> None:
    with stream(web, user, "/api/stream/candles?symbol=BTC-USDT&timeframe=1m") as reader:
        assert reader.event().event == "candle"
    with stream(web, user, "/api/stream/account") as reader:
        assert [reader.block().retry, reader.block().id] == ["2000", "0"]
