"""The product behind nginx as it is deployed: TLS, one origin, streams that go through and are cut."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.client import PASSWORD, Client
from tests.e2e.nginx import Nginx
from tests.e2e.running import Server, wait_for
from tests.e2e.streamers import kill_streamer
from tests.e2e.streams import EventReader, Socket, seconds_until
from tests.ports import free_port

pytestmark = pytest.mark.nginx
ACCOUNT = "/api/stream/account"
FILL = ["order", "trade", "balance"]


@pytest.fixture(scope="module")
def product_settings() -> dict[str, str]:
    return {"STREAM_PORT": str(free_port()), "TRUSTED_PROXIES": "1", "RATE_LIMIT_ENABLED": "false"}


@pytest.fixture(scope="module")
def nginx(
    product: Server, product_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nginx]:
    stream_port = int(product_settings["STREAM_PORT"])
    web_port = int(product.address.rpartition(":")[2])
    proxy = Nginx(tmp_path_factory.mktemp("proxy") / "nginx", web_port=web_port, stream_port=stream_port)
    try:
        yield proxy.start()
    finally:
        proxy.stop()


@pytest.fixture(scope="module")
def tls(nginx: Nginx) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(nginx.certificate))


@pytest.fixture
def client(nginx: Nginx, tls: ssl.SSLContext) -> Iterator[Client]:
    client = Client(nginx.address)
    client.http = httpx.Client(base_url=nginx.address, timeout=20, verify=tls)
    yield client.sign_up()
    client.http.close()


def ticket(client: Client) -> str:
    answer: str = client.call("POST", "/api/auth/stream-ticket")["ticket"]
    return answer


def open_socket(nginx: Nginx, tls: ssl.SSLContext, client: Client, since_id: int | None = None) -> Socket:
    address = nginx.address.replace("https", "wss")
    opened = Socket(f"{address}/ws/account?ticket={ticket(client)}", tls=tls, origin=nginx.address)
    opened.say(action="subscribe", channel="account", **({} if since_id is None else {"since_id": since_id}))
    opened.wait_for("subscribed")
    return opened


def buy(client: Client) -> None:
    client.order(side="buy", type="market", amount="0.001")


def test_requests_go_through_and_come_from_where_they_come(nginx: Nginx, client: Client) -> None:
    forged = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http", "Forwarded": "for=192.0.2.1"}
    client.http.headers.update(forged)
    client.log_in()
    sessions = client.call("GET", "/api/auth/sessions")
    assert [session["ip"] for session in sessions] == ["127.0.0.1", "127.0.0.1"]
    answer = client.http.get("/api/auth/me")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert (answer.http_version, "nginx" in answer.headers["Server"]) == ("HTTP/1.1", True)


def test_what_is_not_encrypted_is_sent_elsewhere(nginx: Nginx) -> None:
    answer = httpx.get(f"http://127.0.0.1:{nginx.plain_port}/api/auth/me?x=1", headers={"Host": "trading.example"})
    assert (answer.status_code, answer.headers["Location"]) == (308, "https://trading.example/api/auth/me?x=1")


def test_what_is_too_large_is_told_in_json(client: Client) -> None:
    answer = client.http.post("/api/trading/orders", content=b"x" * 3_000_000)
    assert (answer.status_code, answer.json()["error_code"]) == (413, "body_too_large")


def test_events_come_at_once(nginx: Nginx, tls: ssl.SSLContext, client: Client) -> None:
    client.call("GET", "/api/portfolio")
    reader = EventReader(client.http, ACCOUNT).wait_open()
    opened = open_socket(nginx, tls, client)
    assert "Server" in reader.headers
    assert reader.headers["Content-Type"].startswith("text/event-stream")

    buy(client)

    waited = seconds_until(lambda: len(reader.events) >= 3 and len(opened.of(*FILL)) >= 3, 30)
    assert waited < 10
    assert [name for _, name, _ in reader.events] == FILL
    assert [message["type"] for message in opened.of(*FILL)] == FILL
    assert [message["id"] for message in opened.of(*FILL)] == reader.ids()
    opened.close()


def test_prices_come_as_they_are_made(client: Client) -> None:
    reader = EventReader(client.http, "/api/stream/prices", query={"symbols": "BTC/USDT"})
    wait_for(lambda: len(reader.events) >= 5, 30)
    assert {data["symbol"] for _, _, data in reader.events} == {"BTC/USDT"}


def test_what_was_missed_comes_after_the_streamer_was_killed(
    product: Server, nginx: Nginx, tls: ssl.SSLContext, client: Client
) -> None:
    first, opened = EventReader(client.http, ACCOUNT, last_id=0), open_socket(nginx, tls, client, since_id=0)
    buy(client)
    wait_for(lambda: len(first.events) >= 4 and len(opened.of(*FILL)) >= 4, 30)
    kill_streamer(product)
    assert first.ended.wait(30)
    assert opened.ended.wait(30)

    for _ in range(3):
        buy(client)
    second = EventReader(client.http, ACCOUNT, last_id=first.ids()[-1])
    last = opened.of(*FILL)[-1]["id"]
    again = open_socket(nginx, tls, client, since_id=last)
    wait_for(lambda: len(second.events) >= 9 and len(again.of(*FILL)) >= 9, 30)

    assert first.ids() + second.ids() == list(range(1, 14))
    told = [message["id"] for each in (opened, again) for message in each.of(*FILL)]
    assert told == list(range(1, 14))
    again.close()


@pytest.mark.parametrize("end", ["logout", "logout-all", "password"])
def test_sessions_that_end_are_cut(nginx: Nginx, tls: ssl.SSLContext, client: Client, end: str) -> None:
    reader = EventReader(client.http, ACCOUNT).wait_open()
    held = EventReader(
        httpx.Client(base_url=nginx.address, verify=tls), ACCOUNT, query={"ticket": ticket(client)}
    ).wait_open()
    opened = open_socket(nginx, tls, client)
    unused = ticket(client)

    passwords = {"current_password": PASSWORD, "new_password": "another-long-lovely-day"}
    client.call("POST", f"/api/auth/{end}", json=passwords if end == "password" else None)

    seconds = seconds_until(lambda: reader.ended.is_set() and held.ended.is_set() and opened.ended.is_set(), 30)
    assert seconds <= 15  # 5 on a machine that is not busy
    assert opened.code == 4401
    with pytest.raises(InvalidStatus, match="401"):
        Socket(f"{nginx.address.replace('https', 'wss')}/ws/account?ticket={unused}", tls=tls)
    refused = httpx.get(f"{nginx.address}{ACCOUNT}", params={"ticket": unused}, verify=tls)
    assert refused.status_code == 401


def test_whoever_does_not_say_what_they_want_is_closed(nginx: Nginx, tls: ssl.SSLContext) -> None:
    began = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", nginx.port), timeout=20) as plain,
        tls.wrap_socket(plain, server_hostname="localhost") as slow,
    ):
        slow.sendall(b"GET /api/stream/prices HTTP/1.1\r\nHost: localhost\r\n")
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            assert slow.recv(1000) == b""
    assert time.monotonic() - began < 15


def test_while_the_streamer_is_away_browsers_are_told_to_wait_and_others_why(nginx: Nginx, tmp_path: Path) -> None:
    # nobody listens where the streamer would be
    away = Nginx(tmp_path / "away", web_port=nginx.port, stream_port=free_port()).start()
    context = ssl.create_default_context(cafile=str(away.certificate))
    try:
        headers = {"Accept": "text/event-stream", "Origin": "https://app.example"}
        told = httpx.get(f"{away.address}{ACCOUNT}", headers=headers, verify=context)
        assert (told.status_code, told.text) == (200, "retry: 2000\n\n")
        assert told.headers["Content-Type"] == "text/event-stream"
        assert told.headers["Access-Control-Allow-Origin"] == "https://app.example"
        plain = httpx.get(f"{away.address}{ACCOUNT}", verify=context)
        assert (plain.status_code, plain.headers["Retry-After"]) == (503, "2")
    finally:
        away.stop()


def test_no_ticket_is_logged(product: Server, nginx: Nginx, tls: ssl.SSLContext, client: Client) -> None:
    held = ticket(client)
    reader: Any = EventReader(
        httpx.Client(base_url=nginx.address, verify=tls), ACCOUNT, query={"ticket": held}
    ).wait_open()
    kill_streamer(product)
    assert reader.ended.wait(30)
    httpx.get(f"{nginx.address}/ws/account", params={"ticket": held}, verify=tls)
    wait_for(lambda: "/ws/account" in nginx.logs, 30)
    assert held not in nginx.logs
    assert held not in product.output


def test_no_key_of_an_alert_is_logged(tmp_path: Path) -> None:
    # nobody listens behind it: nginx has an error to tell of
    proxy = Nginx(tmp_path / "alone", web_port=free_port(), stream_port=free_port()).start()
    context = ssl.create_default_context(cafile=str(proxy.certificate))
    paths = ("/api/webhooks/tradingview/canary-1", "//api/webhooks/%74radingview/canary-2?x=1")
    try:
        for path in paths:
            assert httpx.post(f"{proxy.address}{path}", verify=context).status_code == 502
            assert httpx.post(f"http://127.0.0.1:{proxy.plain_port}{path}").status_code == 308
        httpx.get(f"{proxy.address}/api/webhooks", verify=context)
        wait_for(lambda: '"GET /api/webhooks HTTP/1.1" 502' in proxy.logs, 30)
        assert proxy.logs.count('"POST /api/webhooks/tradingview/*** HTTP/1.1"') == 2 * len(paths)
        assert "canary" not in proxy.logs
    finally:
        proxy.stop()
