"""Clients that are slow, send what is no HTTP, or never read: they get an answer, and cost the others nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from supervisor.web_worker import GATHER_SECONDS, SLOW_SECONDS
from tests.databases import Factory
from tests.e2e.client import Client
from tests.e2e.running import Server, wait_for
from tests.problems import MEMBERS

CLIENTS = 60
"""Many more than the threads of the server."""

POST = b"POST /api/auth/signup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LAST = POST + b"Connection: close\r\n"


@pytest.fixture(scope="module")
def server(new_database: Factory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("hostile")
    (directory / "var").mkdir(mode=0o700)
    database = new_database(directory / "var")
    url = database.engine.url.render_as_string(hide_password=False)
    database.close()
    # few streams, and prices that fill buffers quickly
    server = Server(
        directory,
        DATABASE_URL=url,
        DEMO_TICK_SECONDS="0.05",
        STREAMS_PER_USER="12",
        WEB_THREADS="4",
        LOG_LEVEL="DEBUG",
    )
    try:
        yield server.wait_ready()
    finally:
        server.end()


def connect(server: Server, sent: bytes, buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        # as on the way through a network: for itself a system keeps megabytes on both sides
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.settimeout(SLOW_SECONDS + 30)
    connection.connect(("127.0.0.1", urlsplit(server.address).port))
    connection.sendall(sent)
    return connection


def answer(server: Server, sent: bytes, buffer: int | None = None) -> tuple[str, dict[str, str], bytes]:
    """Return the status line, the headers and the body of what the server says to `sent`."""
    with closing(connect(server, sent, buffer)) as connection:
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    return line, {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}, body


def slowest(server: Server, seconds: float) -> float:
    """Return how long the slowest of many requests took."""
    worst, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        server.get("/health/live")
        worst = max(worst, time.monotonic() - began)
    return worst


@pytest.mark.parametrize(
    ("sent", "more"),
    [
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n"),
        (POST + b"Content-Length: 900\r\n\r\n{", b" "),
        (POST + b"Content-Length: 900000\r\n\r\n{", b" "),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n \r\n"),
        (b"\x16\x03\x01", b""),
        (b"", b""),
    ],
    ids=["head", "body", "large-body", "chunks", "tls", "silence"],
)
def test_slow_clients_cost_no_thread(server: Server, sent: bytes, more: bytes) -> None:
    slow = [connect(server, sent) for _ in range(CLIENTS)]
    try:
        for _ in range(3):
            for connection in slow:
                connection.sendall(more)
            assert slowest(server, 0.4) < GATHER_SECONDS / 2
    finally:
        for connection in slow:
            connection.close()


def test_clients_that_do_not_take_their_answers_cost_no_thread(server: Server) -> None:
    wanted = server.get("/docs/swagger-ui-bundle.js").encode()
    asked = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    unread = [connect(server, asked, buffer=2048) for _ in range(CLIENTS // 3)]
    try:
        for _ in range(3):
            assert slowest(server, 0.4) < GATHER_SECONDS / 2
        # slow is not lost
        _, _, received = answer(server, asked, buffer=2048)
        assert received == wanted
    finally:
        for connection in unread:
            connection.close()


def test_a_request_that_does_not_come_is_told_so_and_large_bodies_end_too(server: Server) -> None:
    began = time.monotonic()
    # both at once: the one takes long
    with closing(connect(server, POST + b"Content-Length: 900000\r\n\r\n{")) as large:
        line, headers, body = answer(server, POST + b"Content-Length: 9\r\n\r\n{")
        assert line == "HTTP/1.1 408 Request Timeout"
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["error_code"] == "request_timeout"
        assert time.monotonic() - began < SLOW_SECONDS - 5
        assert large.recv(1) == b""
    assert time.monotonic() - began < SLOW_SECONDS + 20


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"\x00\x01 garbage\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "malformed_request"),
        (b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", 400, "malformed_request"),
        (POST + b"Content-Length: -2\r\n\r\n", 400, "malformed_request"),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed_request"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414, "uri_too_long"),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 9_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (POST + b"Expect: tea\r\n\r\n", 417, "expectation_failed"),
        (POST + b"Transfer-Encoding: tea\r\n\r\n", 501, "transfer_coding_unknown"),
        (
            POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
            400,
            "malformed_request",
        ),
        (POST + b"Connection: close\r\nContent-Length: 10000000\r\n\r\n{", 413, "body_too_large"),
    ],
)
def test_what_is_no_http_has_the_one_error_body(server: Server, sent: bytes, status: int, code: str) -> None:
    line, headers, body = answer(server, sent)
    assert line.startswith(f"HTTP/1.1 {status} ")
    assert headers["content-type"] == "application/problem+json"
    members = json.loads(body)
    assert set(members) == MEMBERS
    assert (members["status"], members["error_code"]) == (status, code)
    assert members["request_id"] == headers["x-request-id"]


def test_requests_in_one_piece_are_all_answered(server: Server) -> None:
    get = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
    with closing(connect(server, (get + b"\r\n") * 2 + get + b"Connection: close\r\n\r\n")) as connection:
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 3


def test_a_client_decides_neither_path_nor_scheme_nor_host(server: Server) -> None:
    said = b"X-Forwarded-Proto: https\r\nSCRIPT_NAME: /evil\r\nPATH_INFO: /health/live\r\nHost: evil.example\r\n"
    line, headers, _ = answer(server, b"GET /api//candles HTTP/1.1\r\nConnection: close\r\n" + said + b"\r\n")
    assert line.startswith("HTTP/1.1 308 ")
    assert headers["location"] == "/api/candles"


def test_streams_that_nobody_reads_end_and_leave_nothing_behind(server: Server) -> None:
    client = Client(server.address).sign_up()
    request = f"GET /api/stream/prices HTTP/1.1\r\nHost: x\r\nAuthorization: {client.http.headers['Authorization']}\r\n"

    def descriptors() -> int:
        total = 0
        for pid in server.pids():
            with suppress(OSError):  # it may have ended just now
                total += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return total

    def is_free() -> bool:
        with client.http.stream("GET", "/api/stream/prices") as stream:
            return stream.status_code == 200

    def open_unread() -> socket.socket:
        return connect(server, f"{request}\r\n".encode(), buffer=2048)

    unread = []
    while is_free():
        unread.append(open_unread())
        time.sleep(0.1)
    wait_for(is_free, 60, server)
    assert slowest(server, 0.5) < GATHER_SECONDS / 2
    for stream in unread:
        stream.close()
    before = descriptors()
    for _ in range(100):
        open_unread().close()
    wait_for(lambda: descriptors() < before + 50, 60, server)  # threads may have opened what they keep
    assert "Traceback" not in server.output
