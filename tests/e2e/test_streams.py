"""Streams while parts of the product are killed: every event once, in order."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.e2e.client import Client
from tests.e2e.running import Server, wait_for
from tests.e2e.streams import end


class EventSource:
    """A browser's: it comes back by itself with the id of the last event, and keeps the ids of all."""

    def __init__(self, client: Client, path: str) -> None:
        self.ids: list[int] = []
        self.types: list[str] = []
        self.symbols: list[str | None] = []
        self.connections = 0
        self._http = httpx.Client(base_url=client.http.base_url, headers=client.http.headers, timeout=60)
        self._path = path
        self._last: str | None = None
        self._over = threading.Event()
        self._answer: httpx.Response | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        end(self._thread, lambda: self._answer)
        self._http.close()

    def _run(self) -> None:
        while not self._over.is_set():
            with suppress(httpx.HTTPError):
                self._connect()
            self._over.wait(0.1)

    def _connect(self) -> None:
        headers = {} if self._last is None else {"Last-Event-ID": self._last}
        with self._http.stream("GET", self._path, headers=headers) as stream:
            self._answer = stream
            if stream.status_code != 200:
                stream.read()
                return
            self.connections += 1
            fields: dict[str, str] = {}
            for line in stream.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                    continue
                # not earlier: an event that was cut off has not been seen
                self._last = fields.get("id", self._last)
                if "data" in fields:
                    self.symbols.append(json.loads(fields["data"]).get("symbol"))
                    self.types.append(fields["event"])
                    self.ids.append(int(self._last or 0))
                fields = {}
                if self._over.is_set():
                    return


def pid_of(server: Server, word: str) -> int:
    """Return the process of a part, by a word of its command line."""
    for pid in sorted(server.pids()):
        with suppress(OSError):
            if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return pid
    raise AssertionError(f"no {word} runs")


def web_servers(server: Server) -> set[int]:
    """Return the processes of the web server: its master and its workers."""
    found = set()
    for pid in server.pids():
        with suppress(OSError):
            if b"gunicorn" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def parent(pid: int) -> int:
    """Return the process that a process descends from."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill(server: Server, word: str) -> None:
    """Kill a part and wait until another one is up."""
    pid = pid_of(server, word)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: _is_new(server, word, pid), 60, server)
    wait_for(lambda: _is_ready(server), 60, server)


def _is_new(server: Server, word: str, old: int) -> bool:
    try:
        return pid_of(server, word) != old
    except AssertionError:
        return False


def _is_ready(server: Server) -> bool:
    try:
        return bool(server.get("/health/ready", timeout=10))
    except OSError:
        return False


@pytest.fixture
def follow(product: Server) -> Iterator[Callable[[Client, str], EventSource]]:
    opened: list[EventSource] = []

    def start(client: Client, path: str) -> EventSource:
        opened.append(EventSource(client, path))
        wait_for(lambda: opened[-1].connections, 60)
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def trade(client: Client, times: int) -> None:
    for _ in range(times):
        client.order(side="buy", type="market", amount="0.001")


@pytest.mark.parametrize("part", ["streaming", "engine"])
def test_account_events_come_once_and_in_order_over_a_kill(
    product: Server, follow: Callable[[Client, str], EventSource], part: str
) -> None:
    client = Client(product.address).sign_up()
    trade(client, 1)
    source = follow(client, "/api/stream/account?since_id=0")
    trade(client, 2)
    kill(product, part)
    trade(client, 2)
    # the first event books the starting balance; each order is an order, a trade and a balance
    wait_for(lambda: len(source.ids) >= 1 + 5 * 3, 60, product)
    assert source.ids == list(range(1, len(source.ids) + 1))
    assert source.types.count("trade") == 5
    assert (source.connections > 1) == (part == "streaming")


def test_prices_go_on_without_a_gap_over_a_kill_of_the_streamer_and_a_reload(
    product: Server, follow: Callable[[Client, str], EventSource]
) -> None:
    client = Client(product.address).sign_up()
    killed = follow(client, "/api/stream/prices")
    snapshot = len(client.call("GET", "/api/market/tickers"))  # the newest price of each, whenever that was
    wait_for(lambda: len(killed.ids) > snapshot + 20, 60)
    assert len(set(killed.symbols[:snapshot])) == snapshot
    kill(product, "streaming")
    count = len(killed.ids)
    wait_for(lambda: len(killed.ids) > count + 20, 60)
    assert "reset" not in killed.types
    assert all(after == before + 1 for before, after in pairwise(killed.ids[snapshot:]))
    connections = killed.connections
    before = web_servers(product)
    [master] = [pid for pid in before if parent(pid) not in before]
    os.kill(master, signal.SIGHUP)
    wait_for(lambda: len(new := web_servers(product)) == len(before) and before & new == {master}, 60, product)
    count = len(killed.ids)
    wait_for(lambda: len(killed.ids) > count + 20, 60)
    assert killed.connections == connections
