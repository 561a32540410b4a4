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
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from octobot_commons.configuration import decrypt
from sqlalchemy import delete, select

import models
from config import Settings
from models import Database, KillSwitch
from services import build_for_worker
from services.bot.accounts import BotAccounts
from services.bot.records import BotRecords
from services.leases import Leases
from services.notifications.notifications import Told, notify
from services.operations.logs import Logs, LogWanted
from tests.databases import Factory
from tests.factories import SignedIn, sign_in
from tests.home_builder import LIVED_IN
from tests.integration.bot.tentacle import ABSENT, API_SECRET, FAILING, MODE, NOTICES, NOTIFIER, TOKEN, unpack
from tests.integration.worker.working import hurry, work
from tests.settings import settings_for
from utils import clock
from utils.bot_bridge import BotBridge
from utils.home import Home, files
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
        found = self.get("/api/orders?account=bot-demo&limit=500")
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
        BotAccounts(database),
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
            "reference_currency": "USDT",
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
    # the demo market is traded by its own exact class, not by the one that OctoBot has for exchanges it does not know
    kept.until(lambda: kept.log("trading at a DemoExchange") or None)
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
    trades = kept.get("/api/trades/history?account=bot-demo")
    assert isinstance(trades, list)
    (trade,) = trades
    assert (trade["side"], trade["amount"], trade["fee"]["currency"]) == ("buy", "0.001", "USDT")
    assert Decimal(trade["cost"]) == Decimal(trade["price"]) * Decimal(trade["amount"])
    portfolio = kept.get("/api/portfolio?account=bot-demo")
    assert isinstance(portfolio, dict)
    held = portfolio["currencies"]
    paid = Decimal(trade["cost"]) + Decimal(trade["fee"]["cost"])
    assert Decimal(held["USDT"]["total"]) == 10_000 - paid
    assert held["BTC"]["total"] == "0.001"
    assert Decimal(held["USDT"]["locked"]) > 0

    assert_performance(kept, portfolio, trade)
    assert_pages(kept)
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

    assert_kill_switch_holds(kept)

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
    assert_home_is_as_it_was(home)
    written = "".join(file.read_text() for file in kept.settings.log_dir.glob("*.jsonl"))
    assert "trading with ***" in written
    assert API_SECRET not in written
    assert TOKEN not in written


def assert_performance(kept: Kept, portfolio: dict[str, Any], trade: dict[str, Any]) -> None:
    """Have what OctoBot says of itself be the figures that every account has."""
    balance = kept.get("/api/portfolio/balance?account=bot-demo")
    assert isinstance(balance, dict)
    assert balance["currencies"].keys() == {"BTC", "USDT"}
    (position,) = portfolio["positions"]
    assert (position["symbol"], position["amount"]) == ("BTC/USDT", "0.001")
    figures = kept.get("/api/portfolio/performance?account=bot-demo&period=all")
    assert isinstance(figures, dict)
    assert figures["starting_value"] == "10000"
    assert (figures["trades"], figures["closed_trades"], figures["realized_pnl"]) == (1, 0, None)
    assert figures["fees"]["by_currency"] == {"USDT": trade["fee"]["cost"]}
    gain = Decimal(figures["ending_value"]) - 10_000
    assert (Decimal(figures["profit"]["amount"]), figures["net_deposits"]) == (gain, "0")
    history = kept.get("/api/portfolio/history?account=bot-demo")
    assert isinstance(history, dict)
    assert history["points"][0]["value"] == "10000"
    assert history["points"][0]["at"] < history["points"][-1]["at"]


def assert_pages(kept: Kept) -> None:
    """Have the bot's orders come in pages, and as they are filtered."""
    ids = [order["id"] for order in kept.orders()]
    first = kept.client.get("/api/orders?account=bot-demo&limit=1&direction=asc", headers=kept.admin.headers).get_json()
    cursor = first["pagination"]["next_cursor"]
    second = kept.get(f"/api/orders?account=bot-demo&limit=1&direction=asc&cursor={cursor}")
    assert isinstance(second, list)
    assert [first["data"][0]["id"], second[0]["id"]] == ids[::-1][:2]
    last = kept.orders()[0]["created_at"]
    for query, found in (("side=sell", False), ("symbol=ETH-USDT", False), (f"until={last}&status=open", True)):
        assert bool(kept.get(f"/api/orders?account=bot-demo&{query}")) is found
    closed = kept.client.get("/api/orders?account=bot-demo&status=closed", headers=kept.admin.headers)
    assert (closed.status_code, closed.get_json()["error_code"]) == (422, "closed_orders_not_kept")


def assert_home_is_as_it_was(home: Home) -> None:
    """Have OctoBot, and what keeps it, take nothing from a home that was there before."""
    config = home.config()
    assert {name: config[name] for name in LIVED_IN if name != "exchanges"} == {
        name: value for name, value in LIVED_IN.items() if name != "exchanges"
    }
    kucoin, was = config["exchanges"]["kucoin"], LIVED_IN["exchanges"]["kucoin"]
    assert {**kucoin, "api-key": "", "exchange-type": ""} == {**was, "api-key": "", "exchange-type": ""}
    assert decrypt(kucoin["api-key"]) == was["api-key"]
    activation = files.read(home.profile().tentacles_file)["tentacle_activation"]
    assert activation["Evaluator"] == {ABSENT: True}


def assert_kill_switch_holds(kept: Kept) -> None:
    """Have the installation's kill switch pause the bot and cancel its orders, also over its death."""
    with kept.database.write() as session:
        session.add(KillSwitch(scope="installation", target="", engaged_by=kept.admin.id, engaged_at=clock.now()))
    held = kept.until_state("paused")
    assert (held["wanted"], held["kill_switch"]) == ("running", True)
    kept.until(lambda: kept.orders() == [] or None)
    assert kept.client.post("/api/bot/resume", headers=kept.admin.headers).get_json()["error_code"] == "kill_switch"
    os.kill(int(str(held["pid"])), signal.SIGKILL)
    kept.until(lambda: kept.status()["pid"] not in {None, held["pid"]} or None)
    kept.until_state("paused")
    refusals = len(kept.log("not allowed to trade"))
    kept.until(lambda: len(kept.log("not allowed to trade")) > refusals or None)
    assert kept.orders() == []
    with kept.database.write() as session:
        session.execute(delete(KillSwitch))
    kept.until_state("running")
    kept.until(kept.orders)


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
