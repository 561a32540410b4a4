"""A whole OctoBot with a tentacle of its own, in its own process, kept as the worker keeps it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

import models
from config import Settings
from models import Database
from services import build_for_worker
from services.bot.records import BotRecords
from services.leases import Leases
from services.notifications.notifications import Told, notify
from services.operations.logs import Logs, LogWanted
from tests.databases import Factory
from tests.factories import SignedIn, sign_in
from tests.integration.bot.tentacle import API_SECRET, FAILING, MODE, NOTICES, NOTIFIER, TOKEN, unpack
from tests.integration.worker.working import hurry, work
from tests.settings import settings_for
from utils.bot_bridge import BotBridge
from utils.home import Home
from utils.unix_transport import UnixTransport
from worker.bot import Keeper, bot_part

PATIENCE = 90.0
"""Seconds; OctoBot takes three to start on an idle machine."""


@dataclass
class Kept:
    """An installation whose bot is kept by hand."""

    app: Flask
    client: FlaskClient
    admin: SignedIn
    keeper: Keeper
    settings: Settings
    database: Database

    def get(self, path: str, status: int = 200) -> object:
        answer = self.client.get(path, headers=self.admin.headers)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()["data"]

    def move(self, move: str) -> None:
        answer = self.client.post(f"/api/bot/{move}", headers=self.admin.headers)
        assert answer.status_code == 202, answer.get_data(as_text=True)

    def status(self) -> dict[str, object]:
        found = self.get("/api/bot/status")
        assert isinstance(found, dict)
        return found

    def until[T](self, look: Callable[[], T | None]) -> T:
        """Keep the bot until `look` sees something."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.keeper.turn()
            if found := look():
                return found
            assert time.monotonic() < deadline, self.status()
            time.sleep(0.05)

    def until_state(self, state: str) -> dict[str, object]:
        return self.until(lambda: found if (found := self.status())["state"] == state else None)

    def orders(self) -> list[dict[str, str]]:
        found = self.get("/api/bot/orders")
        assert isinstance(found, list)
        return found

    def work(self) -> int:
        worker = build_for_worker(self.settings)
        try:
            return work(worker)
        finally:
            worker.close()

    def notices(self) -> list[list[str]]:
        """Return what the notifier was handed since the last time, without OctoBot's own greetings."""
        file = Home(self.settings.octobot_home).root / NOTICES
        if not file.exists():
            return []
        lines = file.read_text().splitlines()
        file.unlink()
        return [notice for line in lines if "OctoBot" not in (notice := json.loads(line))[0]]

    def log(self, search: str) -> list[str]:
        wanted = LogWanted(search=search, limit=1000)
        return [record.message for record in Logs(self.settings.log_dir).read(wanted) if record.process == "bot"]


@pytest.fixture(scope="module")
def kept(new_database: Factory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    from app import create_app

    directory = tmp_path_factory.mktemp("bot")
    database: Database = new_database(directory)
    settings = settings_for(directory, database)
    unpack(Home(settings.octobot_home))
    app = create_app(settings, database=database)
    environment = {
        **os.environ,
        "DATA_DIR": str(settings.data_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        "ENCRYPTION_KEYS": settings.encryption_keys,
        "PYTHONPATH": str(Path.cwd()),
        "DEMO_TICK_SECONDS": "0.2",
    }
    keeper = Keeper(
        BotRecords(database, autostart=False),
        Leases(database),
        BotBridge(UnixTransport(settings.bot_socket, "bot")),
        bot_part(environment, lambda: BotRecords(database, autostart=False).demo(settings)),
        holder="tests",
        last_words=settings.bot_last_words,
    )
    kept = Kept(app, app.test_client(), sign_in(app, database, role="admin"), keeper, settings, database)
    yield kept
    keeper.stop()
    keeper.run()
    database.close()


def test_life_of_a_bot(kept: Kept) -> None:
    kept.keeper.turn()
    assert kept.status()["state"] == "stopped"
    kept.move("start")
    status = kept.until_state("running")
    first = status["pid"]
    assert status["notifiers"] == [NOTIFIER]

    # the tentacle was only unpacked: it is installed, found, and shown with its settings, but not with its secrets
    assert status["exchanges"] == [
        {
            "exchange": "demo",
            "type": "spot",
            "mode": "paper",
            "symbols": ["BTC/USDT"],
            "trading_modes": [
                {
                    "name": MODE,
                    "symbol": "BTC/USDT",
                    "settings": {"required_strategies": [], "pace": "steady", "token": "[redacted]"},
                }
            ],
        }
    ]
    kept.until(lambda: len(kept.orders()) >= 2 or None)
    order = kept.orders()[0]
    assert (order["account"], order["symbol"], order["side"], order["type"], order["status"]) == (
        "bot-demo",
        "BTC/USDT",
        "buy",
        "limit",
        "accepted",
    )
    assert order["amount"] == "0.001"
    trades = kept.get("/api/bot/trades")
    assert isinstance(trades, list)
    (trade,) = trades
    assert (trade["side"], trade["amount"], trade["fee"]["currency"]) == ("buy", "0.001", "USDT")
    assert Decimal(trade["cost"]) == Decimal(trade["price"]) * Decimal(trade["amount"])
    accounts = kept.get("/api/bot/accounts")
    assert isinstance(accounts, list)
    held = accounts[0]["portfolio"]["currencies"]
    paid = Decimal(trade["cost"]) + Decimal(trade["fee"]["cost"])
    assert Decimal(held["USDT"]["total"]) == 10_000 - paid
    assert held["BTC"]["total"] == "0.001"
    assert Decimal(held["USDT"]["locked"]) > 0

    assert_notifiers_tell(kept)

    kept.move("pause")
    kept.until_state("paused")
    before = len(kept.orders())
    refusals = len(kept.log("not allowed to trade"))
    kept.until(lambda: len(kept.log("not allowed to trade")) >= refusals + 3 or None)
    assert len(kept.orders()) == before

    # it is killed while it is paused: another one takes its place, paused from its first moment on
    os.kill(int(str(first)), signal.SIGKILL)
    kept.until(lambda: kept.status()["pid"] not in {None, first} or None)
    again = kept.until_state("paused")
    assert "SIGKILL" in str(again["error"])
    refusals = len(kept.log("not allowed to trade"))
    kept.until(lambda: len(kept.log("not allowed to trade")) > refusals or None)
    assert kept.orders() == []

    kept.move("resume")
    kept.until_state("running")
    kept.until(kept.orders)

    # what could not be told meanwhile is told by the next life of the bot, and nothing a second time by the same one
    assert kept.notices() == []
    (Home(kept.settings.octobot_home).root / FAILING).unlink()
    hurry(kept.database)
    assert kept.work() == 1
    assert kept.notices() == [["Moved\n\nIt is done.", "info"]]
    assert kept.work() == 0

    # somebody stops it from within: that is what is wanted then, and it does not come back
    home = Home(kept.settings.octobot_home)
    (home.root / "stop-asked").touch()
    assert kept.until_state("stopped")["wanted"] == "stopped"
    (home.root / "stop-asked").unlink()
    written = "".join(file.read_text() for file in kept.settings.log_dir.glob("*.jsonl"))
    assert "trading with ***" in written
    assert API_SECRET not in written
    assert TOKEN not in written


def assert_notifiers_tell(kept: Kept) -> None:
    """Have the bot tell something, and leave behind a notice that its notifier could not tell."""
    answer = kept.client.post("/api/bot/notify-test", headers=kept.admin.headers)
    assert answer.get_json()["data"] == {"notifiers": [NOTIFIER]}
    assert kept.notices() == [[f"This is a test, wanted by {kept.admin.username}.", "info"]]
    ways = {"settings": [{"kind": "announcement", "in_app": False, "webhook": False, "bot": True}]}
    assert kept.client.put("/api/notifications/settings", json=ways, headers=kept.admin.headers).status_code == 200
    (Home(kept.settings.octobot_home).root / FAILING).touch()
    told = Told("announcement", "Moved", {"message": "It is done."}, shared="moved")
    with kept.database.write() as session:
        notify(session, kept.admin.id, told)
    assert kept.work() == 1
    with kept.database.read() as connection:
        error = connection.execute(select(models.Job.error)).scalar_one()
    assert error == f"Not told: {NOTIFIER} failed (OSError)."


def test_a_broken_configuration_ends_in_an_error_that_says_why(kept: Kept) -> None:
    home = Home(kept.settings.octobot_home)
    whole = home.config()
    broken = {name: value for name, value in whole.items() if name != "notification"}
    with home.locked():
        home.write({home.config_file: broken})
    try:
        kept.move("start")
        status = kept.until_state("error")
        assert status["error"] == "The configuration is not valid: it lacks notification."
        assert status["wanted"] == "running"
    finally:
        with home.locked():
            home.write({home.config_file: whole})
        kept.move("stop")
        kept.until_state("stopped")
