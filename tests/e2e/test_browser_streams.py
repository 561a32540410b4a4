"""Native `EventSource` and `WebSocket` of a real browser: cut by the server, back, and no event lost or doubled."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.browser import Page, PageServer
from tests.e2e.client import Client
from tests.e2e.running import ROOT, Server
from tests.e2e.streamers import keep_streamer_away, kill_streamer

pytestmark = pytest.mark.chromium
ALLOWED, OTHER = "127.0.0.1", "localhost"
"""One machine by two names: two origins for a browser."""


class Wire:
    """A plain wire to a server that can be cut in an orderly way, as a proxy does when it is restarted."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Close every connection; return how many there were."""
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return len(ends) // 2

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while received := source.recv(65536):
                sink.sendall(received)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def pages() -> Iterator[PageServer]:
    server = PageServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def product_settings(pages: PageServer) -> dict[str, str]:
    return {"CORS_ORIGINS": f"http://{ALLOWED}:{pages.port}", "RATE_LIMIT_ENABLED": "false"}


@pytest.fixture
def client(product: Server) -> Client:
    return Client(product.address).sign_up()


@pytest.fixture
def wire(product: Server) -> Iterator[Wire]:
    wire = Wire(product.address)
    yield wire
    wire.close()


def token(client: Client) -> str:
    return client.http.headers["Authorization"].removeprefix("Bearer ")


def buy(client: Client, times: int = 1) -> None:
    """Buy, each of which is an order, a trade and a balance."""
    for _ in range(times):
        client.order(side="buy", type="market", amount="0.001")


def buy_and_sell(client: Client) -> bool:
    """Trade without an end to the money, an order, a trade and a balance twice; tell that it was done."""
    for side in ("buy", "sell"):
        client.order(side=side, type="market", amount="0.001")
    return True


def test_a_page_of_an_allowed_origin_misses_nothing(
    product: Server, pages: PageServer, client: Client, wire: Wire, tmp_path: Path
) -> None:
    page = Page(pages, ALLOWED, "streams.html", tmp_path / "profile", api=wire.address, token=token(client))
    expected = 1  # the opening balance

    def has_all(report: dict[str, Any]) -> bool:
        told = list(range(1, expected + 1))
        return bool(report["eventSource"] == told and report["webSocket"] == told)

    def opened(report: dict[str, Any], times: int) -> bool:
        return bool(min(report["opened"].values()) >= times)

    try:
        page.wait_for(lambda report: opened(report, 1))
        buy(client, times=3)
        expected += 9
        page.wait_for(has_all)

        kill_streamer(product, meanwhile=lambda: buy(client, times=3))
        expected += 9
        page.wait_for(lambda report: opened(report, 2) and has_all(report))

        assert wire.cut() >= 3
        buy(client, times=3)
        expected += 9
        page.wait_for(lambda report: opened(report, 3) and has_all(report))

        # for longer than a browser waits before it tries again
        keep_streamer_away(product, 5)
        buy(client)
        expected += 3
        report = page.wait_for(lambda report: opened(report, 4) and has_all(report))
    finally:
        page.close()
    assert report["faults"] == []
    prices = report["prices"]
    assert len(prices) > 10
    assert prices == sorted(set(prices))


def test_what_the_readme_shows_works_as_pasted(
    product: Server, pages: PageServer, client: Client, tmp_path: Path
) -> None:
    [shown] = re.findall(r"^```js\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    pages.made["readme.html"] = f"""<!doctype html><script type="module">
        const {{ api: BASE, token: TOKEN }} = JSON.parse(decodeURIComponent(location.hash.slice(1)));
        const lines = [], faults = [];
        console.log = (...words) => lines.push(words);
        window.onerror = (fault) => faults.push(String(fault));
        setInterval(() => fetch("/report", {{ method: "POST", body: JSON.stringify({{ lines, faults }}) }}), 200);
        {shown}</script>"""
    client.call("GET", "/api/portfolio")
    page = Page(pages, ALLOWED, "readme.html", tmp_path / "profile", api=product.address, token=token(client))
    try:
        page.wait_for(lambda report: not report["lines"])
        # the page may have come too late for the first one
        report = page.wait_for(lambda report: buy_and_sell(client) and len(report["lines"]) >= 6)
    finally:
        page.close()
    assert report["faults"] == []
    assert [kind for _, kind, _ in report["lines"][:3]] == ["order", "trade", "balance"]
    numbers = [int(number) for number, _, _ in report["lines"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_page_of_another_origin_gets_nothing(
    product: Server, pages: PageServer, client: Client, tmp_path: Path
) -> None:
    tickets = [client.call("POST", "/api/auth/stream-ticket")["ticket"] for _ in range(2)]
    page = Page(
        pages, OTHER, "refused.html", tmp_path / "profile", api=product.address, token=token(client), tickets=tickets
    )
    try:
        report = page.wait_for(lambda report: len(report) == 3)
    finally:
        page.close()
    assert report == {"fetch": "refused", "eventSource": "refused", "webSocket": "refused"}
