"""Running strategies run again after a restart, and after a kill, without doubling an order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

import models
from config import Settings
from engine.journal.journal import Journal
from engine.journal.unit import Unit
from engine.strategies.records import StrategyRecord, StrategyRecords
from engine.strategies.runner import Runner
from engine.strategies.story import RESTARTED, STOPPING
from models import Database
from tests import books
from tests.factories import SignedIn
from tests.integration.strategies.killable import KillableEngine
from tests.integration.strategies.owner import PATIENCE, START, Owner, eventually
from tests.problems import assert_problem
from utils.errors import TradingError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Order

LINES = 40
START_OF_RECORDING = 1_700_000_000 // 60 * 60
GRID_NAMES = sorted(["big:coins:1-0", *(f"big:{side}{line}:1-0" for side in ("down", "up") for line in range(1, 41))])


def test_a_restart_changes_nothing(ada: Owner) -> None:
    ada.running()
    ada.running("dca", strategy_class="dca", settings={"timeframe": "1d", "order_value": "20"}, funding="100")
    eventually(lambda: len(ada.open_names()) == 6)
    eventually(lambda: len(ada.orders("dca")) == 1)
    before = [*ada.orders(), *ada.orders("dca")]
    ada.host.stop()
    ada.host.start()
    ada.price(50_000)
    assert ada.get()["state"] == ada.get("dca")["state"] == "running"
    assert ada.log()[-2:] == ada.log("dca")[-2:] == [STOPPING, RESTARTED]
    ada.price(49_400)
    eventually(lambda: "mine:down1:1-1" in ada.open_names())
    after = {order["id"]: order for order in [*ada.orders(), *ada.orders("dca")]}
    assert len(after) == len(before) + 1
    assert [after[order["id"]]["client_order_id"] for order in before] == [each["client_order_id"] for each in before]
    assert not ada.differences()


def test_what_filled_while_nobody_looked_is_followed(ada: Owner) -> None:
    ada.running()
    eventually(lambda: len(ada.open_names()) == 6)
    ada.host.stop()
    ada.market.set_price("BTC/USDT", ada.market._prices["BTC/USDT"] - 1_100)
    ada.host.start()
    ada.host.tick()
    wanted = {"mine:down1:1-1", "mine:down2:1-1", "mine:down3:1-0", "mine:up1:1-0", "mine:up2:1-0", "mine:up3:1-0"}
    eventually(lambda: set(ada.open_names()) == wanted, ada.story)
    assert not ada.differences()


def test_what_fills_while_it_reads_its_orders_is_followed(ada: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.running()
    eventually(lambda: len(ada.open_names()) == 6)
    read, started = StrategyRecords.orders, threading.Event()

    def stale(records: StrategyRecords, record: StrategyRecord) -> list[Order]:
        found = read(records, record)
        assert started.wait(60)
        ada.price(49_400)
        return found

    monkeypatch.setattr(StrategyRecords, "orders", stale)
    ada.host.stop()
    ada.host.start()
    started.set()
    eventually(lambda: "mine:down1:1-1" in ada.open_names(), ada.story)


def test_what_is_being_stored_as_it_starts_is_followed(ada: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.running()
    eventually(lambda: len(ada.open_names()) == 6)
    read, commit, have_read = StrategyRecords.orders, Journal._commit, threading.Event()
    start = Runner.start

    def noted(records: StrategyRecords, record: StrategyRecord) -> list[Order]:
        found = read(records, record)
        have_read.set()
        return found

    def late(journal: Journal, units: list[Unit]) -> list[TradingError | None]:
        if any(unit.orders for unit in units):
            have_read.wait(2)  # in vain when it reads only afterwards
        return commit(journal, units)

    def start_late(running: Runner) -> None:
        # the first tick has filled the order by then, and nobody follows the account yet
        asyncio.get_running_loop().call_later(0.5, start, running)

    monkeypatch.setattr(StrategyRecords, "orders", noted)
    monkeypatch.setattr(Journal, "_commit", late)
    monkeypatch.setattr(Runner, "start", start_late)
    ada.host.stop()
    ada.market.set_price("BTC/USDT", START - 600)
    ada.host.start()
    eventually(lambda: "mine:down1:1-1" in ada.open_names(), ada.story)


def test_one_whose_exchange_is_not_connected_waits_for_it(ada: Owner, database: Database) -> None:
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    for exchange in ("nowhere", "demo"):
        ada.host.stop()
        with database.write() as session:
            session.execute(update(models.Account).where(models.Account.id == account).values(exchange=exchange))
        ada.host.start()
        assert ada.get()["state"] == "running"
        assert len(ada.open_names()) == 6
    assert ada.log()[2:] == [STOPPING, "Waits: nowhere is not connected.", RESTARTED]
    ada.price(49_400)
    eventually(lambda: "mine:down1:1-1" in ada.open_names())
    assert not ada.differences()


def test_none_starts_whose_exchange_is_not_connected(ada: Owner, database: Database) -> None:
    account = ada.add()["account"]
    ada.ok("POST", "mine/init")
    ada.host.stop()
    with database.write() as session:
        session.execute(update(models.Account).where(models.Account.id == account).values(exchange="nowhere"))
    ada.host.start()
    assert_problem(ada.send("POST", "mine/start"), 404, "unknown_exchange")
    assert ada.get()["state"] == "initialized"


def test_accounts_of_running_strategies_stay_in_memory(ada: Owner) -> None:
    account = ada.running()["account"]
    eventually(lambda: len(ada.open_names()) == 6)
    accounts = ada.host.engine._accounts
    for each in accounts._open.values():
        each.used_at -= 1_000
    ada.host.run(accounts.close_idle(idle_seconds=1, most=100))
    assert accounts.in_memory() == [account]
    ada.ok("POST", "mine/stop")
    for each in accounts._open.values():
        each.used_at -= 1_000
    ada.host.run(accounts.close_idle(idle_seconds=1, most=100))
    assert accounts.in_memory() == []


@pytest.fixture
def engine(settings: Settings, tmp_path: Path) -> Iterator[KillableEngine]:
    """An engine whose market stands at 50,000: no line of a grid fills."""
    recording = tmp_path / "BTC_USDT-1m.csv"
    candles = [f"{START_OF_RECORDING + 60 * each},50000,50000,50000,50000,1\n" for each in range(400)]
    recording.write_text("timestamp,open,high,low,close,volume\n" + "".join(candles), encoding="utf-8")
    started = KillableEngine(
        settings, tmp_path / "engine.log", DEMO_TICK_SECONDS="0.05", DEMO_REPLAY=str(recording), DEMO_REPLAY_SPEED="1"
    )
    yield started
    started.close()


class TestKills:
    @pytest.fixture
    def bridge(self, engine: KillableEngine) -> OctoBotBridge:
        return engine.bridge

    def test_in_the_midst_of_placing_a_grid(
        self, engine: KillableEngine, client: FlaskClient, user: SignedIn, database: Database
    ) -> None:
        ada = Owner(client, user, None, None, database)  # type: ignore[arg-type]
        ada.running("big", settings={"levels": LINES, "spacing_percent": "1"}, funding="9000")

        def count() -> int:
            with database.read() as connection:
                return connection.execute(select(func.count()).select_from(models.Order)).scalar_one()

        killed_at: list[int] = []
        for least in (1, 20, 45, 70):
            end = time.monotonic() + PATIENCE
            while count() < least:  # without a pause: a fast engine places all of it in the blink of one
                assert time.monotonic() < end, killed_at
            engine.kill()
            killed_at.append(count())
        assert any(1 <= placed < len(GRID_NAMES) for placed in killed_at), killed_at
        eventually(lambda: count() >= len(GRID_NAMES))
        placed = Counter(order["client_order_id"] for order in ada.orders("big"))
        assert sorted(placed) == GRID_NAMES
        assert set(placed.values()) == {1}
        assert ada.get("big")["state"] == "running"
        assert ada.log("big")[2:] == [RESTARTED] * 4
        assert not books.differences(database, engine.bridge)
