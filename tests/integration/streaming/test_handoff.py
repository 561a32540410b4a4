"""Handing connections over, step by step: the app gets one end of a real TCP connection, as it does from gunicorn."""

from __future__ import annotations

import os
import socket as sockets
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import streaming.streamer
from config import Settings
from services.audit import SYSTEM
from tests.factories import SignedIn, services_of, with_key
from tests.integration.streaming.reader import Reader
from tests.problems import assert_problem
from tests.streamer_host import StreamerHost, until
from utils import follow, streamer_channel
from utils.errors import StreamerUnavailable
from utils.follow import Caller, FollowPrices, Handover
from utils.streamer_channel import StreamerChannel

BTC = "/api/stream/prices?symbols=btc-usdt"
LOCAL = "http://localhost:3000"
HANDSHAKE = {
    **{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Connection:
    """A TCP connection: `server` is what gunicorn would hold, `client` what the browser does."""

    def __init__(self) -> None:
        with closing(sockets.create_server(("127.0.0.1", 0))) as listener:
            self.client = Reader(listener.getsockname())
            self.server, _ = listener.accept()

    def close(self) -> None:
        self.client.close()
        self.server.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at sessions ten times a second; must come before `host`."""
    monkeypatch.setattr(streaming.streamer, "SESSION_SECONDS", 0.1)


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.close()


def ask(client: FlaskClient, user: SignedIn, connection: Connection, path: str = BTC, **more: Any) -> TestResponse:
    headers = {**user.headers, **more.pop("headers", {})}
    return client.get(path, headers=headers, environ_overrides={"gunicorn.socket": connection.server, **more})


def is_alive(server: sockets.socket) -> bool:
    """Tell whether what gunicorn holds still leads anywhere."""
    try:
        server.sendall(b"x")
    except OSError:
        return False
    return True


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_client_gets_its_stream_and_the_server_a_dead_end(
    client: FlaskClient, user: SignedIn, connection: Connection, host: StreamerHost
) -> None:
    answer = ask(client, user, connection, headers={"Origin": LOCAL, "X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["Connection"], answer.data) == (200, "close", b"")
    assert not is_alive(connection.server)
    connection.server.close()  # as gunicorn does after an answer
    stream = connection.client.read_head()
    assert (stream.status, stream.headers["x-request-id"]) == (200, "mine")
    assert stream.headers["access-control-allow-origin"] == LOCAL
    assert stream.event().data["price"] == "50000"


@pytest.mark.parametrize("path", [BTC, "/ws/market"])
def test_an_api_key_is_handed_over_and_cut_when_it_is_deleted(
    quick: None, app: Flask, client: FlaskClient, user: SignedIn, connection: Connection, host: StreamerHost, path: str
) -> None:
    keys, key = services_of(app).api_keys, with_key(app, user, "read")
    headers = {**key, **HANDSHAKE} if path == "/ws/market" else key
    answer = client.get(path, headers=headers, environ_overrides={"gunicorn.socket": connection.server})
    connection.server.close()
    stream = connection.client.read_head()
    assert answer.status_code == stream.status == (101 if path == "/ws/market" else 200)
    keys.delete(user.principal, SYSTEM, keys.principal(key["X-API-Key"]).session_id)
    started = time.monotonic()
    stream.rest()
    assert time.monotonic() - started < 15


def test_an_api_key_with_a_ticket_beside_it_is_refused(
    app: Flask, client: FlaskClient, user: SignedIn, connection: Connection, host: StreamerHost
) -> None:
    ticket, socket = services_of(app).tickets.issue(user.principal, SYSTEM).ticket, connection.server
    headers, given = with_key(app, user, "read"), {"gunicorn.socket": socket}
    assert_problem(client.get(f"{BTC}&ticket={ticket}", headers=headers, environ_overrides=given), 401, "token_invalid")
    assert is_alive(socket)


def test_shutting_the_dead_end_down_does_not_reach_the_client(
    client: FlaskClient, user: SignedIn, connection: Connection, host: StreamerHost
) -> None:
    ask(client, user, connection)
    connection.server.setblocking(False)
    with suppress(OSError):
        connection.server.shutdown(sockets.SHUT_WR)
    assert connection.client.read_head().event().event == "price"


def test_while_the_streamer_is_away_the_client_is_told_and_keeps_its_connection(
    client: FlaskClient, user: SignedIn, connection: Connection, host: StreamerHost
) -> None:
    host.stop()
    refused = ask(client, user, connection)
    assert_problem(refused, 503, "streamer_unavailable")
    assert refused.headers["Retry-After"] == "1"
    assert is_alive(connection.server)  # nothing was swapped: the answer reaches the client
    assert connection.client.socket.recv(1) == b"x"
    host.start()
    assert ask(client, user, connection).status_code == 200


def test_a_channel_that_leads_to_a_dead_streamer_is_opened_anew_once(
    client: FlaskClient, user: SignedIn, host: StreamerHost
) -> None:
    for _ in range(2):
        connection = Connection()
        assert ask(client, user, connection).status_code == 200
        assert connection.client.read_head().event().event == "price"
        connection.close()
        host.stop()
        host.start()


def test_a_streamer_that_hangs_is_not_waited_for(
    settings: Settings, app: Flask, client: FlaskClient, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamer_channel, "TIMEOUT_SECONDS", 0.2)
    with closing(sockets.socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)) as hung:
        hung.bind(str(settings.streamer_socket))
        hung.listen(1)
        started = time.monotonic()
        while time.monotonic() - started < 90:
            connection = Connection()
            began = time.monotonic()
            answer = ask(client, user, connection)
            assert time.monotonic() - began < 15
            was_alive = is_alive(connection.server)
            connection.close()
            if answer.status_code == 503:
                break
        assert_problem(answer, 503, "streamer_unavailable")
        assert was_alive
        with pytest.raises(StreamerUnavailable):
            services_of(app).streamer.status()


def test_every_thread_has_a_channel_of_its_own(host: StreamerHost, settings: Settings) -> None:
    channel = StreamerChannel(settings.streamer_socket)
    seen: list[Any] = []

    def look() -> None:
        channel.status()
        channel.status()
        seen.append(channel._local.channel)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.fileno() for each in seen}) == 3
    for each in seen:
        each.close()


def test_the_status_tells_of_clients_and_feeds(
    client: FlaskClient, user: SignedIn, connection: Connection, host: StreamerHost, settings: Settings
) -> None:
    ask(client, user, connection)
    connection.client.read_head().event()
    status = StreamerChannel(settings.streamer_socket).status()
    assert status.clients == {"sse": 1, "websocket": 0}
    assert status.feeds == {"prices of demo": True, "account events": True}
    assert status.topics == {"prices": 1, "candles": 0, "account": 0, "rankings": 0, "backtests": 0, "logs": 0}
    assert status.pid == os.getpid()
    assert status.uptime_seconds > 0


def test_only_the_owner_reaches_the_streamer(host: StreamerHost, settings: Settings) -> None:
    assert stat.S_IMODE(settings.streamer_socket.stat().st_mode) == 0o600


def test_packets_that_make_no_sense_cost_nothing(host: StreamerHost, settings: Settings) -> None:
    before = descriptors()
    caller = Caller(user_id="u", session_id="s")
    whole = follow.encode(Handover(wish=FollowPrices(exchange="demo"), caller=caller, request_id="r", path="/x"))
    with closing(sockets.socket(sockets.AF_UNIX, sockets.SOCK_SEQPACKET)) as channel:
        channel.connect(str(settings.streamer_socket))
        reading, writing = os.pipe()
        sockets.send_fds(channel, [b"\xff\xffnonsense"], [reading])
        sockets.send_fds(channel, [whole], [])
        sockets.send_fds(channel, [whole], [reading, writing])
        sockets.send_fds(channel, [whole], [reading])  # no socket at all
        os.close(reading)
        os.close(writing)
        channel.settimeout(60)
        channel.send(follow.encode(follow.GetStreamerStatus()))
        assert follow.decode_status(channel.recv(65536)).clients == {"sse": 0, "websocket": 0}
    until(lambda: descriptors() <= before)


def test_where_the_server_speaks_tls_itself_it_says_why_it_cannot(
    client: FlaskClient, user: SignedIn, host: StreamerHost, connection: Connection
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours, theirs = sockets.socketpair()
    with theirs, context.wrap_socket(ours, server_side=True, do_handshake_on_connect=False) as wrapped:
        over_tls = client.get(BTC, headers=user.headers, environ_overrides={"gunicorn.socket": wrapped})
        assert_problem(over_tls, 501, "streams_need_proxy")
    assert_problem(ask(client, user, connection, HTTP_VERSION="2"), 501, "streams_need_proxy")
    assert is_alive(connection.server)


def test_what_is_refused_never_reaches_the_streamer(
    client: FlaskClient, user: SignedIn, connection: Connection, host: StreamerHost
) -> None:
    assert ask(client, user, connection, "/api/stream/prices?symbols=XXX").status_code == 404
    assert client.get(BTC, environ_overrides={"gunicorn.socket": connection.server}).status_code == 401
    assert ask(client, user, connection, "/api/stream/account?account=not-mine").status_code == 404
    assert is_alive(connection.server)


def test_what_does_not_fit_into_a_packet_is_refused(
    client: FlaskClient, user: SignedIn, connection: Connection, host: StreamerHost
) -> None:
    headers = {**HANDSHAKE, "Sec-WebSocket-Protocol": "x" * follow.MAX_MESSAGE}
    answer = ask(client, user, connection, "/ws/market", headers=headers)
    assert_problem(answer, 400, "headers_too_large")
    assert is_alive(connection.server)


def test_without_gunicorn_there_are_no_websockets(client: FlaskClient, user: SignedIn, host: StreamerHost) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", **user.headers}
    assert_problem(client.get("/ws/market", headers=headers), 501, "websockets_unavailable")
    assert client.get("/ws/market", headers=user.headers).status_code == 400  # no WebSocket
