"""The product as it is started: killed in part or whole, it comes back with every account and open order."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import Database
from tests.books import differences
from tests.databases import Factory
from tests.e2e.client import Client
from tests.e2e.running import Server, wait_for
from utils.octobot_bridge import OctoBotBridge, UnixTransport

Start = Callable[..., Server]
FLAT, RISE = 300, 600


def recording(path: Path) -> Path:
    """Write minutes that stand at 50,000 and then rise by 20 a minute."""
    file = path / ("long-" * 20) / "BTC_USDT-1m.csv"
    file.parent.mkdir()
    lines = ["timestamp,open,high,low,close,volume"]
    begin = 1_700_000_000 // 60 * 60
    for minute in range(FLAT * 2 + RISE):
        before, after = (50_000 + 20 * max(0, minute + step - FLAT * 2) for step in (0, 1))
        lines.append(f"{begin + 60 * minute},{before},{after},{before},{after},1")
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture
def database(new_database: Factory, tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "var").mkdir(mode=0o700)
    database = new_database(tmp_path / "var")
    yield database
    database.close()


@pytest.fixture
def start(tmp_path: Path, database: Database) -> Iterator[Start]:
    servers = []

    def _start(**settings: str) -> Server:
        url = database.engine.url.render_as_string(hide_password=False)
        settings = {"DATABASE_URL": url, "DEMO_TICK_SECONDS": "0.05", "RATE_LIMIT_ENABLED": "false", **settings}
        servers.append(Server(tmp_path, command=None, **settings))
        return servers[-1].wait_ready()

    yield _start
    for server in servers:
        server.end()


def bridge_of(server: Server) -> OctoBotBridge:
    return OctoBotBridge(UnixTransport(server.directory / "var" / "engine.sock"), timeout=30)


def engine_pid(server: Server) -> int:
    return bridge_of(server).status().pid


def is_back(server: Server) -> bool:
    try:
        return server.get("/health/ready", timeout=10) != ""
    except OSError:
        return False


def test_a_killed_engine_is_refused_at_once_and_comes_back_with_everything(
    start: Start, tmp_path: Path, database: Database
) -> None:
    server = start(DEMO_REPLAY=str(recording(tmp_path)), DEMO_REPLAY_SPEED="60")
    client = Client(server.address).sign_up()
    client.order(side="buy", amount="0.05")
    low = client.order(side="buy", type="limit", price="49000", amount="0.01")
    client.order(side="sell", type="limit", price="90000", amount="0.01")
    client.order(side="sell", type="trailing_stop", trailing_percent="5", amount="0.01")
    balances, open_ids = client.balances(), client.open_ids()

    engine = engine_pid(server)
    server.process.send_signal(signal.SIGSTOP)  # nobody starts another one before the end of what is asked here
    os.kill(engine, signal.SIGKILL)
    # a dying process holds its sockets until it has ended, also those of which nobody has heard yet
    wait_for(lambda: Path(f"/proc/{engine}/stat").read_text().rpartition(")")[2].split()[0] == "Z", 30, server)
    refused = client.http.get("/api/portfolio")
    assert (refused.status_code, refused.json()["error_code"]) == (503, "engine_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    order = {"symbol": "BTC/USDT", "side": "buy", "amount": "0.01"}
    assert client.http.post("/api/trading/orders", json=order).status_code == 503
    assert client.call("GET", f"/api/trading/orders/{low['id']}")["status"] == "accepted"
    assert client.call("GET", "/api/auth/me")["username"] == client.name
    server.process.send_signal(signal.SIGCONT)
    wait_for(lambda: is_back(server), 60, server)

    assert client.balances() == balances
    assert client.open_ids() == open_ids
    assert differences(database, bridge_of(server)) == []


def test_killed_as_a_whole_it_comes_back_and_open_orders_still_fill(
    start: Start, tmp_path: Path, database: Database
) -> None:
    replay = {"DEMO_REPLAY": str(recording(tmp_path)), "DEMO_REPLAY_SPEED": "240"}
    server = start(**replay)
    client = Client(server.address).sign_up()
    client.order(side="buy", amount="0.05")
    market = float(client.call("GET", "/api/market/ticker/BTC-USDT")["last"])
    order = client.order(side="sell", type="limit", price=str(int(market) + 1500), amount="0.02")
    balances = client.balances()
    server.end()
    assert server.pids() == set()

    server = start(**replay)
    again = Client(server.address)
    again.name = client.name
    again.log_in()
    found = again.call("GET", f"/api/trading/orders/{order['id']}")
    if found["status"] == "accepted":
        assert again.balances() == balances
    filled = wait_for(
        lambda: [one for one in [again.call("GET", f"/api/trading/orders/{order['id']}")] if one["status"] == "filled"],
        100,
        server,
    )
    assert filled[0]["average"] == order["price"]
    assert differences(database, bridge_of(server)) == []


def test_replay_is_followed_by_ticker_candles_and_stream(start: Start, tmp_path: Path) -> None:
    file = recording(tmp_path)
    server = start(DEMO_REPLAY=str(file), DEMO_REPLAY_SPEED="360")  # it is over in 100 s
    client = Client(server.address).sign_up()
    rows = [line.split(",") for line in file.read_text().splitlines()[1:]]
    recorded = {int(row[0]) * 1000: [float(cell) for cell in row[1:5]] for row in rows}
    candles = client.call("GET", "/api/market/candles", params={"symbol": "BTC/USDT", "timeframe": "1m", "limit": 50})
    for candle in candles[:-1]:
        assert candle["closed"]
        assert [float(candle[part]) for part in ("open", "high", "low", "close")] == recorded[candle["timestamp"]]
    seen = []
    with client.http.stream("GET", "/api/stream/prices", params={"symbols": "BTC/USDT"}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data:"):
                seen.append(float(json.loads(line[5:])["price"]))
            if len(seen) >= 5:
                break
    assert seen == sorted(seen)
    assert 50_000 <= seen[0] < seen[-1] <= 50_000 + 20 * RISE


def test_an_open_stream_does_not_hold_up_the_end(start: Start) -> None:
    server = start()
    client = Client(server.address).sign_up()
    with client.http.stream("GET", "/api/stream/prices") as stream:
        lines = stream.iter_lines()
        wait_for(lambda: next(lines).startswith("data:"), 30)
        begun = time.monotonic()
        server.process.terminate()
        for _ in lines:  # the server ends the stream, not the client
            pass
    assert server.wait(60) == 0
    assert time.monotonic() - begun < 15  # gunicorn's grace would be 25
    assert server.pids() == set()


def test_whichever_process_is_scraped_tells_of_all_also_of_one_that_was_killed(start: Start) -> None:
    server = start(WEB_WORKERS="2", WEB_NICE="3")
    token = (server.directory / "var" / "metrics_token").read_text()

    def scrape() -> str:
        request = urllib.request.Request(f"{server.address}/metrics", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            page: str = answer.read().decode()
            return page

    def answered(page: str) -> int:
        found = re.search(r'trading_http_requests_total\{method="GET",route="/health/live",status="200"\} (\S+)', page)
        return 0 if found is None else int(float(found[1]))

    def workers() -> list[int]:
        return [pid for pid in server.pids() if "gunicorn" in _command(pid) and "gunicorn" in _command(_parent(pid))]

    for _ in range(30):
        server.get("/health/live")
    pages = [scrape() for _ in range(10)]
    assert [answered(page) for page in pages] == [30] * 10
    assert all(f'trading_up{{part="{part}"}} 1.0' in page for page in pages for part in ("engine", "streamer"))
    killed = workers()
    assert len(killed) == 2
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    nice = {pid: os.getpriority(os.PRIO_PROCESS, pid) - ours for pid in server.pids()}
    assert {pid for pid in nice if nice[pid] == 3} == set(killed)  # and the engine and the streamer go first
    os.kill(killed[0], signal.SIGKILL)
    wait_for(lambda: len(workers()) == 2 and killed[0] not in workers(), 60, server)
    for _ in range(10):
        server.get("/health/live")
    assert [answered(scrape()) for _ in range(10)] == [40] * 10
    assert len(list((server.directory / "var" / "metrics").glob("counter_*.db"))) == 2


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
