"""What the bot's routes answer while nobody keeps a bot."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, select
from werkzeug.test import TestResponse

import models
from config import Settings
from models import Database
from services.bot.records import BotRecords, Told, Wish
from tests.factories import SignedIn
from tests.problems import assert_problem
from utils import clock
from utils.home import Home

MOVES = ("start", "stop", "restart", "pause", "resume")


@pytest.fixture
def records(database: Database) -> BotRecords:
    return BotRecords(database, autostart=False)


def move(client: FlaskClient, who: SignedIn, name: str) -> TestResponse:
    return client.post(f"/api/bot/{name}", headers=who.headers)


def actions(database: Database) -> list[str]:
    query = select(models.AuditEntry.action).where(models.AuditEntry.action.startswith("bot."))
    with database.read() as connection:
        return list(connection.execute(query.order_by(models.AuditEntry.created_at)).scalars())


def test_users_may_neither_look_nor_move(client: FlaskClient, user: SignedIn, records: BotRecords) -> None:
    assert_problem(client.get("/api/bot/status", headers=user.headers), 403, "forbidden")
    for name in MOVES:
        assert_problem(move(client, user, name), 403, "forbidden")
    assert records.wish() == Wish(wanted="stopped")


def test_what_is_wanted_is_kept_and_each_change_of_it_audited_once(
    client: FlaskClient, admin: SignedIn, records: BotRecords, database: Database
) -> None:
    for name, wanted in (
        ("start", "running"),
        ("start", "running"),
        ("pause", "paused"),
        ("pause", "paused"),
        ("restart", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
        ("stop", "stopped"),
    ):
        answer = move(client, admin, name)
        assert answer.status_code == 202
        assert answer.get_json()["data"]["wanted"] == wanted
        assert answer.get_json()["data"]["state"] == ("stopped" if wanted == "stopped" else "starting")
    assert records.wish() == Wish(wanted="stopped", number=2)
    assert actions(database) == ["bot.started", "bot.paused", "bot.restarted", "bot.resumed", "bot.stopped"]


def test_impossible_moves_change_nothing(
    client: FlaskClient, admin: SignedIn, records: BotRecords, database: Database
) -> None:
    for name in ("restart", "pause", "resume"):
        assert_problem(move(client, admin, name), 409, "bot_stopped")
    assert actions(database) == []
    move(client, admin, "start")
    records.tell(Told(state="error", since=clock.now(), number=1, error="no luck", failed_at=clock.now()))
    for name in ("pause", "resume"):
        assert_problem(move(client, admin, name), 409, "bot_failed")
    status = client.get("/api/bot/status", headers=admin.headers).get_json()["data"]
    assert (status["state"], status["wanted"], status["error"]) == ("error", "running", "no luck")
    assert move(client, admin, "start").get_json()["data"]["state"] == "starting"


def test_while_the_kill_switch_is_engaged_it_is_neither_started_nor_resumed(
    client: FlaskClient, admin: SignedIn, records: BotRecords, database: Database
) -> None:
    move(client, admin, "start")
    with database.write() as session:
        session.add(models.KillSwitch(scope="account", target="one", engaged_by=admin.id, engaged_at=clock.now()))
    assert move(client, admin, "restart").status_code == 202
    with database.write() as session:
        session.add(models.KillSwitch(scope="installation", target="", engaged_by=admin.id, engaged_at=clock.now()))
    for name in ("start", "restart", "resume"):
        assert_problem(move(client, admin, name), 409, "kill_switch")
    assert records.wish() == Wish(wanted="running", number=2)
    for name, wanted in (("pause", "paused"), ("stop", "stopped")):
        told = move(client, admin, name).get_json()["data"]
        assert (told["wanted"], told["kill_switch"]) == (wanted, True)
    with database.write() as session:
        session.execute(delete(models.KillSwitch).where(models.KillSwitch.scope == "installation"))
    assert move(client, admin, "start").get_json()["data"]["kill_switch"] is False


def test_a_home_that_cannot_be_read_is_refused_at_once(
    client: FlaskClient, admin: SignedIn, settings: Settings, records: BotRecords
) -> None:
    home = Home(settings.octobot_home)
    home.prepare()
    home.config_file.write_text("{", encoding="utf-8")
    assert_problem(move(client, admin, "start"), 409, "home_unreadable")
    assert records.wish() == Wish(wanted="stopped")


class TestRealMoney:
    @pytest.fixture
    def settings(self, settings: Settings, request: pytest.FixtureRequest) -> Settings:
        home = Home(settings.octobot_home)
        home.prepare()
        profile = home.profile()
        document = profile.document
        document["config"]["trader"]["enabled"] = True
        with home.locked():
            home.write({profile.file: document})
        return replace(settings, live_trading_enabled=request.param)

    @pytest.mark.parametrize("settings", [False], indirect=True)
    def test_needs_the_operators_leave(self, client: FlaskClient, admin: SignedIn, records: BotRecords) -> None:
        assert_problem(move(client, admin, "start"), 422, "live_trading_disabled")
        assert records.wish() == Wish(wanted="stopped")

    @pytest.mark.parametrize("settings", [True], indirect=True)
    def test_is_traded_with_it(self, client: FlaskClient, admin: SignedIn) -> None:
        assert move(client, admin, "start").status_code == 202
