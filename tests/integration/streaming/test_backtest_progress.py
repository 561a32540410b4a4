"""How far backtests have come, as server-sent events over both doors."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, update

import models
from models import Database
from services.audit import SYSTEM
from services.backtests.progress import BacktestProgress
from streaming.backtests import BacktestFeed, BacktestFollowing
from streaming.hub import Hub
from streaming.readers import Readers
from tests.factories import SignedIn, services_of, with_key
from tests.integration.streaming.conftest import Dial
from tests.integration.streaming.reader import Reader
from tests.integration.streaming.test_handoff import Connection
from tests.problems import assert_problem
from tests.streamer_host import StreamerHost, until
from tests.unit.streaming_parts import Listener
from utils import clock, ids
from utils.errors import StorageUnavailable


@pytest.fixture
def run_id(database: Database, user: SignedIn) -> str:
    """A run of the user that waits."""
    run_id, now = ids.new_id(), clock.now()
    with database.write() as session:
        session.add(
            models.BacktestRun(
                id=run_id,
                user_id=user.id,
                state="queued",
                progress=0,
                attempt=0,
                exchange="demo",
                strategy_class="dca",
                symbols="BTC/USDT",
                timeframe="1h",
                settings="{}",
                portfolio="{}",
                begins_at=now - timedelta(days=1),
                ends_at=now,
                created_at=now,
                updated_at=now,
            )
        )
    return run_id


def put(database: Database, run_id: str, **values: Any) -> None:
    with database.write() as session:
        row = models.BacktestRun
        session.execute(update(row).where(row.id == run_id).values(**values, updated_at=clock.now()))


def path(run_id: str) -> str:
    return f"/api/backtesting/runs/{run_id}/events"


def told(reader: Reader) -> tuple[int, str, int]:
    """Return id, state and progress of the next event."""
    event = reader.event()
    assert event.event == "backtest"
    return int(event.id or ""), event.data["state"], event.data["progress"]


def test_a_run_is_followed_to_its_end_over_attempts(dial: Dial, database: Database, run_id: str) -> None:
    stream = dial(path(run_id))
    assert told(stream) == (0, "queued", 0)
    put(database, run_id, state="running", attempt=1, progress=40)
    assert told(stream) == (1040, "running", 40)
    put(database, run_id, attempt=2, progress=3)  # its process was killed
    assert told(stream) == (2003, "running", 3)
    put(database, run_id, state="failed", error_code="no_candles", error="There are none.")
    last = stream.event()
    assert (last.id, last.data["error_code"], last.data["error"]) == ("2999", "no_candles", "There are none.")
    assert b"retry: " in stream.rest()  # and it was closed
    again = dial(path(run_id), headers=None)
    assert told(again) == (2999, "failed", 3)


def test_who_has_the_last_event_is_told_to_stay_away(
    dial: Dial, user: SignedIn, database: Database, run_id: str, client: FlaskClient
) -> None:
    put(database, run_id, state="canceled")
    assert dial(f"{path(run_id)}?since_id=998").event().id == "999"
    resumed = {**user.headers, "Last-Event-ID": "999"}
    answer = dial(path(run_id), headers=resumed)
    assert (answer.status, answer.rest()) == (204, b"")
    web = client.get(path(run_id), headers=resumed)
    assert (web.status_code, web.data) == (204, b"")


def test_an_id_from_a_lost_past_is_a_reset(dial: Dial, user: SignedIn, run_id: str) -> None:
    stream = dial(path(run_id), headers={**user.headers, "Last-Event-ID": "3042"})
    assert (stream.event().event, told(stream)) == ("reset", (0, "queued", 0))


def test_a_run_that_is_deleted_ends_its_streams(dial: Dial, database: Database, run_id: str) -> None:
    stream = dial(path(run_id))
    assert told(stream)[1] == "queued"
    with database.write() as session:
        session.execute(delete(models.BacktestRun).where(models.BacktestRun.id == run_id))
    assert b"event:" not in stream.rest()
    assert dial(path(run_id)).status == 404


def test_it_is_nobody_elses(
    dial: Dial, app: Flask, client: FlaskClient, user: SignedIn, other: SignedIn, admin: SignedIn, run_id: str
) -> None:
    for name in (run_id, "no-such-run", "%2e%2e"):
        refused = dial(path(name), headers=other.headers)
        assert (refused.status, refused.problem()["error_code"]) == (404, "backtest_not_found")
    assert_problem(client.get(path(run_id), headers=other.headers), 404, "backtest_not_found")
    assert dial(path(run_id), headers={}).status == 401
    assert dial(path(run_id), headers=with_key(app, admin, "admin")).status == 403
    assert dial(path(run_id), headers=with_key(app, user, "read")).status == 200
    ticket = services_of(app).tickets.issue(user.principal, SYSTEM).ticket
    assert told(dial(f"{path(run_id)}?ticket={ticket}", headers={}))[1] == "queued"
    assert dial(f"{path(run_id)}?since_id=x").status == 422
    assert dial(f"{path(run_id)}?account=x").status == 422


def test_the_web_server_hands_it_over(
    client: FlaskClient, database: Database, user: SignedIn, host: StreamerHost, run_id: str
) -> None:
    connection = Connection()
    given = {"gunicorn.socket": connection.server}
    assert client.get(path(run_id), headers=user.headers, environ_overrides=given).status_code == 200
    stream = connection.client.read_head()
    assert told(stream) == (0, "queued", 0)
    put(database, run_id, state="succeeded", attempt=1, progress=100)
    assert told(stream) == (1999, "succeeded", 100)
    stream.rest()
    connection.close()
    until(lambda: not host.call(lambda: dict(host.streamer.feeds.backtests.followings)))


def test_one_question_serves_all_and_who_does_not_read_gets_the_newest(
    database: Database, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    fails = False

    def steps(run_ids: Any) -> Any:
        asked.append(list(run_ids))
        if fails:
            raise StorageUnavailable("away")
        return BacktestProgress(database).steps(run_ids)

    async def play() -> None:
        nonlocal fails
        hub = Hub(most=10, most_per_user=10)
        readers = Readers(1, "sql")
        feed = BacktestFeed(hub, steps, readers)
        clients = [Listener(hub).connect(limit) for limit in (10**9, 10**9, 50)]
        for each in clients:
            each.follow(BacktestFollowing(feed, each, run_id, None))
        quick, _, slow = clients
        await feed.look()
        assert (asked, slow.is_paused) == ([[run_id]], True)
        for progress in (10, 20):
            put(database, run_id, state="running", attempt=1, progress=progress)
            await feed.look()
        fails = True
        await feed.look()
        fails = False
        slow.pipe.take()
        slow.pipe.read_all()
        await feed.look()
        assert quick.pipe.take().count(b"event: backtest") == 3
        assert b"id: 1020" in (told := slow.pipe.take())
        assert told.count(b"event:") == 1
        slow.pipe.read_all()
        put(database, run_id, state="succeeded", progress=100)
        await feed.look()
        assert [each.codes for each in clients] == [[1000], [1000], [1000]]
        assert not feed.followings
        readers.close()

    asyncio.run(play())


def test_one_run_that_fails_in_an_unforeseen_way_does_not_end_the_others(database: Database, run_id: str) -> None:
    hub, readers = Hub(most=10, most_per_user=10), Readers(1, "sql")
    step = BacktestProgress(database).steps([run_id])[run_id]
    answers: list[Any] = [ValueError("nobody foresaw it"), {"broken": object(), run_id: step}]

    def steps(_run_ids: object) -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    async def play() -> None:
        feed = BacktestFeed(hub, steps, readers)
        broken, whole = (Listener(hub).connect() for _ in range(2))
        broken.follow(BacktestFollowing(feed, broken, "broken", None))
        whole.follow(BacktestFollowing(feed, whole, run_id, None))
        await feed.look()
        await feed.look()
        assert (broken.codes, whole.codes) == ([1011], [])
        assert whole.pipe.take().count(b"event: backtest") == 1
        assert set(feed.followings) == {run_id}
        readers.close()

    asyncio.run(play())
