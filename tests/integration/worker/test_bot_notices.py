"""What administrators have the operator's bot tell: again until its notifiers have told it, or it is given up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

import models
from models import Database
from services import WorkerServices
from services.bot import notices as bot_notices
from services.bot.notices import BotNotices
from services.bot.records import BotRecords, Wish
from services.notifications.notifications import KINDS, Notifications, Told, notify
from tests.factories import PASSWORD, SignedIn, sign_in
from tests.integration.worker.working import LEASE, hurry, work
from tests.problems import assert_problem
from utils import clock
from utils.bot_bridge import BotBridge
from utils.errors import Conflict, EngineUnavailable, TradingError
from utils.wire import AnyRequest, NotifyBot, Subscription

SETTINGS = "/api/notifications/settings"
FILL = Told("fill", "Bought 1 BTC/USDT at 50000", {"symbol": "BTC/USDT"})


class Bot:
    """A bot that is asked to tell something; `trouble` is what it answers with."""

    def __init__(self) -> None:
        self.asked: list[NotifyBot] = []
        self.trouble: TradingError | None = None

    def call(self, request: AnyRequest, deadline: float) -> Any:
        assert isinstance(request, NotifyBot)
        assert deadline > clock.now().timestamp()
        self.asked.append(request)
        if self.trouble is not None:
            raise self.trouble
        return ["FileNotifier"]

    def stream(self, request: Subscription) -> Iterator[Any]:
        raise NotImplementedError(request)

    @property
    def told(self) -> list[str]:
        return [each.text for each in self.asked]


@pytest.fixture
def bot() -> Bot:
    return Bot()


@pytest.fixture
def records(database: Database) -> BotRecords:
    """Have the bot wanted."""
    made = BotRecords(database, autostart=False)
    with database.write() as session:
        made.hold(session)
        made.want(session, Wish(wanted="running", number=1))
    return made


@pytest.fixture
def worker(worker: WorkerServices, records: BotRecords, bot: Bot) -> WorkerServices:
    return replace(worker, bot_notices=BotNotices(records, BotBridge(bot)))


def choose(client: FlaskClient, who: SignedIn, *, kind: str = "fill", by_bot: bool = True) -> Any:
    ways = {"kind": kind, "in_app": True, "webhook": True, "bot": by_bot}
    return client.put(SETTINGS, json={"settings": [ways]}, headers=who.headers)


def chosen(client: FlaskClient, who: SignedIn) -> set[str]:
    ways = client.get(SETTINGS, headers=who.headers).get_json()["data"]
    return {each["kind"] for each in ways if each["bot"]}


def tell(database: Database, who: SignedIn, told: Told = FILL) -> None:
    with database.write() as session:
        notify(session, who.id, told)


def jobs(database: Database) -> list[Any]:
    query = select(models.Job.state, models.Job.error, models.Job.attempts).where(models.Job.kind == bot_notices.JOB)
    with database.read() as connection:
        return list(connection.execute(query.order_by(models.Job.id)))


def test_administrators_alone_may_be_told_by_the_bot(
    client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn, worker: WorkerServices, bot: Bot
) -> None:
    assert chosen(client, admin) == chosen(client, user) == set()
    tell(database, admin)
    assert jobs(database) == []
    assert_problem(choose(client, user), 403, "forbidden")
    assert chosen(client, user) == set()
    assert choose(client, user, by_bot=False).status_code == 200
    for kind in KINDS:
        assert choose(client, admin, kind=kind).status_code == 200
    assert chosen(client, admin) == set(KINDS)
    tell(database, user)
    tell(database, admin)
    tell(database, admin, Told("strategy_error", "The strategy grid failed: No funds.", {}))
    assert work(worker) == 2
    assert [(each.text, each.category, each.level) for each in bot.asked] == [
        (f"{admin.username}: Bought 1 BTC/USDT at 50000", "trades", "info"),
        (f"{admin.username}: The strategy grid failed: No funds.", "global-info", "error"),
    ]
    assert {job.state for job in jobs(database)} == {"succeeded"}


def test_a_key_without_the_scope_of_administrators_does_not_have_the_bot_tell_anything(
    client: FlaskClient, admin: SignedIn
) -> None:
    for scopes, status in ((["read", "trade"], 403), (["read", "trade", "admin"], 200)):
        wanted = {"name": "mine", "scopes": scopes, "password": PASSWORD}
        made = client.post("/api/auth/api-keys", json=wanted, headers=admin.headers)
        key = {"X-API-Key": made.get_json()["data"]["key"]}
        ways = {"kind": "fill", "in_app": True, "webhook": True, "bot": True}
        assert client.put(SETTINGS, json={"settings": [ways]}, headers=key).status_code == status


@pytest.mark.parametrize("change", [{"role": "user"}, {"is_active": False}])
def test_who_is_no_administrator_any_more_is_told_nothing_by_the_bot(
    client: FlaskClient, database: Database, admin: SignedIn, change: dict[str, Any]
) -> None:
    choose(client, admin)
    with database.write() as session:
        session.execute(update(models.User).where(models.User.id == admin.id).values(**change))
    tell(database, admin)
    assert jobs(database) == []
    shown = Notifications(database).ways(replace(admin.principal, role="user"))
    assert not any(ways.bot for ways in shown)


def test_what_several_administrators_are_told_alike_the_bot_tells_once(
    app: Flask,
    client: FlaskClient,
    database: Database,
    admin: SignedIn,
    user: SignedIn,
    worker: WorkerServices,
    bot: Bot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.notifications.announcements.USERS", 1)
    other = sign_in(app, database, role="admin")
    for each in (admin, other):
        assert choose(client, each, kind="announcement").status_code == 200
    body = {"title": "Down on Sunday", "message": "m" * 5_000}
    assert client.post("/api/admin/announcements", json=body, headers=admin.headers).status_code == 202
    while work(worker):
        pass
    assert bot.told == [f"Down on Sunday\n\n{body['message']}"[: bot_notices.MOST_LETTERS]]
    for each in (admin, other, user):
        listed = client.get("/api/notifications", headers=each.headers).get_json()["data"]
        assert [told["title"] for told in listed] == ["Down on Sunday"]


def test_a_bot_that_cannot_tell_is_asked_again_under_the_same_id(
    client: FlaskClient, database: Database, admin: SignedIn, worker: WorkerServices, bot: Bot
) -> None:
    choose(client, admin)
    bot.trouble = EngineUnavailable("The bot cannot be reached.", code="bot_unavailable")
    tell(database, admin)
    work(worker)
    assert work(worker) == 0, "not at once"
    assert jobs(database) == [("queued", "The bot cannot be reached.", 1)]
    bot.trouble = None
    hurry(database)
    assert work(worker) == 1
    assert [job.state for job in jobs(database)] == ["succeeded"]
    assert len(bot.asked) == 2
    assert bot.asked[0] == bot.asked[1]


def test_it_is_given_up_in_the_end_with_the_reason_and_nothing_else_suffers(
    client: FlaskClient, database: Database, admin: SignedIn, worker: WorkerServices, bot: Bot
) -> None:
    choose(client, admin)
    bot.trouble = Conflict("The bot has no notifier that is configured and works.", code="no_notifier")
    tell(database, admin)
    for _ in range(bot_notices.ATTEMPTS):
        hurry(database)
        assert work(worker) == 1
    assert jobs(database) == [("failed", bot.trouble.detail, bot_notices.ATTEMPTS)]
    hurry(database)
    assert work(worker) == 0
    listed = client.get("/api/notifications", headers=admin.headers).get_json()["data"]
    assert [each["title"] for each in listed] == [FILL.title]


def test_a_bot_that_is_stopped_is_not_asked(
    client: FlaskClient, database: Database, admin: SignedIn, worker: WorkerServices, records: BotRecords, bot: Bot
) -> None:
    choose(client, admin)
    with database.write() as session:
        records.want(session, Wish(wanted="stopped", number=1))
    tell(database, admin)
    work(worker)
    assert jobs(database) == [("queued", "The bot is stopped.", 1)]
    assert bot.asked == []


def test_a_worker_that_ends_before_it_wrote_that_it_told_something_tells_it_again(
    client: FlaskClient, database: Database, admin: SignedIn, worker: WorkerServices, bot: Bot
) -> None:
    choose(client, admin)
    tell(database, admin)
    [run] = worker.jobs.take("dead", {bot_notices.JOB: 1}, LEASE)
    worker.bot_notices.deliver(run)
    assert work(worker) == 0
    assert worker.jobs.recover("dead") == 1
    assert work(worker) == 1
    assert bot.asked[0] == bot.asked[1]
    assert jobs(database) == [("succeeded", None, 2)]


def test_what_is_taken_back_is_not_told(client: FlaskClient, database: Database, admin: SignedIn) -> None:
    choose(client, admin)
    with pytest.raises(RuntimeError), database.write() as session:
        notify(session, admin.id, FILL)
        raise RuntimeError
    assert jobs(database) == []


def test_the_test_is_for_administrators_and_says_at_once_what_is_wrong(
    client: FlaskClient, admin: SignedIn, user: SignedIn, records: BotRecords, database: Database
) -> None:
    def test(who: SignedIn) -> Any:
        return client.post("/api/bot/notify-test", headers=who.headers)

    assert_problem(test(user), 403, "forbidden")
    assert_problem(test(admin), 503, "bot_unavailable")
    with database.write() as session:
        records.want(session, Wish(wanted="stopped", number=1))
    assert_problem(test(admin), 409, "bot_stopped")
