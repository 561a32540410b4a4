"""The life of a grid in the whole product: it trades at 50 ms ticks, through two kills of the engine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Factory
from tests.e2e.client import Client
from tests.e2e.running import ROOT, Server, wait_for

FILLS = 60
BEGINS = 1_700_000_040
CANDLES = 400
"""Minutes of a price that swings half a percent up and down in each of them; the first half is history at the start."""
CANDLES_A_SECOND = 1 / 3
NAME = re.compile(r"grid:(coins|(up|down)[1-8]):\d+-\d+")


@pytest.fixture
def database_url(new_database: Factory, tmp_path: Path) -> str:
    (tmp_path / "var").mkdir(mode=0o700)
    database = new_database(tmp_path / "var")
    url = database.engine.url.render_as_string(hide_password=False)
    database.close()
    return url


def swings(directory: Path) -> Path:
    """Write a recording that a grid can trade for as long as it lasts."""
    file = directory / "BTC_USDT-swings.csv"
    candles = [f"{BEGINS + 60 * each},60000,60300,59700,60000,12\n" for each in range(CANDLES)]
    file.write_text("timestamp,open,high,low,close,volume\n" + "".join(candles), encoding="utf-8")
    return file


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    started = Server(
        tmp_path,
        DATABASE_URL=database_url,
        DEMO_TICK_SECONDS="0.05",
        DEMO_REPLAY=str(swings(tmp_path)),
        DEMO_REPLAY_SPEED=str(60 * CANDLES_A_SECOND),
        RATE_LIMIT_ENABLED="false",
    )
    try:
        yield started.wait_ready()
    finally:
        started.end()


def kill_engine(server: Server) -> None:
    """Kill the engine, and wait until another one answers."""

    def pid() -> int:
        found = (server.directory / "var" / "engine.lock").read_text(encoding="ascii")
        return int(found or 0)

    before = pid()
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: pid() not in {0, before}, 60, server)


def test_a_grid_lives_through_two_kills_of_the_engine(server: Server, database_url: str) -> None:
    ada = Client(server.address).sign_up()
    grid: dict[str, Any] = {
        "name": "grid",
        "strategy_class": "grid",
        "portfolio_name": "BTC/USDT",
        "settings": {"levels": 8, "spacing_percent": "0.05"},
        "funding": "8000",
    }
    account = ada.call("POST", "/api/strategies/", json=grid)["account"]
    ada.call("POST", "/api/strategies/grid/init")
    ada.call("POST", "/api/strategies/grid/start")

    def fills() -> list[dict[str, Any]]:
        query = {"account": account, "limit": "500"}
        found: list[dict[str, Any]] = ada.call("GET", "/api/trades/history", params=query)
        return found

    for share in (1, 2):
        wait_for(lambda share=share: len(fills()) >= FILLS * share // 3, 90, server)  # type: ignore[misc]
        kill_engine(server)
    wait_for(lambda: len(fills()) >= FILLS, 90, server)
    strategy = ada.call("GET", "/api/strategies/grid")
    assert strategy["state"] == "running", (strategy, server.output)
    orders = ada.call("GET", "/api/trading/orders", params={"account": account, "limit": "500"})
    names = Counter(order["client_order_id"] for order in orders)
    assert set(names.values()) == {1}
    assert all(NAME.fullmatch(name) for name in names)
    # of each line one order at most is open
    levels = Counter(each["client_order_id"].split(":")[1] for each in orders if each["status"] == "accepted")
    assert set(levels.values()) == {1}
    [holding] = ada.call("GET", "/api/strategies/holdings")
    performance = ada.call("GET", "/api/strategies/grid/performance")
    assert performance["trades"] >= FILLS
    held = {each["currency"]: Decimal(each["amount"]) for each in holding["currencies"]}
    ada.call("POST", "/api/strategies/grid/stop")
    assert ada.call("GET", "/api/trading/orders", params={"account": account, "status": "open"}) == []
    main = ada.call("GET", "/api/portfolio/balance")["currencies"]
    assert set(held) <= set(main)
    assert ada.call("GET", "/api/strategies/holdings")[0]["currencies"] == []
    verified = subprocess.run(
        [sys.executable, "-m", "commands", "verify"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(server.directory / "var"), "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (verified.returncode, verified.stdout.strip()) == (0, "none"), verified.stderr
