"""`/ws/logs`: what processes say, for admins, as they say it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

import models
from config import Settings
from models import Database
from streaming import logs as streamed
from streaming.hub import Hub
from streaming.logs import LogFeed, LogFollowing
from streaming.readers import Readers
from tests.factories import SignedIn, with_key
from tests.integration.streaming.test_websocket import Talk
from tests.streamer_host import StreamerHost, until
from tests.unit.streaming_parts import Listener
from utils import logs
from utils.follow import FollowLogs
from utils.log_files import LogFile

Follow = Callable[..., Talk]
desk = logging.getLogger("engine.desk")


@pytest.fixture(autouse=True)
def _logging(settings: Settings) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(settings, "engine")
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask who may read ten times a second; must come before `host`."""
    monkeypatch.setattr(streamed, "RIGHTS_SECONDS", 0.1)


@pytest.fixture
def follow(host: StreamerHost, admin: SignedIn) -> Iterator[Follow]:
    """Open the socket and subscribe; wait until that is so."""
    opened: list[ClientConnection] = []

    def open_socket(headers: dict[str, str] | None = None, **wish: Any) -> Talk:
        url = f"ws://127.0.0.1:{host.streamer.port}/ws/logs"
        opened.append(connect(url, additional_headers=admin.headers if headers is None else headers))
        return Talk(opened[-1]).say("subscribe", channel="logs", **wish)

    yield open_socket
    for each in opened:
        each.close()


def test_records_come_as_they_are_written_with_secrets_masked(follow: Follow) -> None:
    desk.warning("before anybody listened")
    talk = follow(level="WARNING", logger="engine", id=3)
    answer = talk.hear()
    assert (answer["type"], answer["id"]) == ("subscribed", 3)
    assert answer["data"] == {"channel": "logs", "level": "WARNING", "logger": "engine", "search": None}
    desk.info("too little")
    logging.getLogger("enginery").error("another house")
    desk.warning("order refused", extra={"order_id": "7", "api_secret": "canary-1"})
    heard = talk.hear()
    assert heard["type"] == "log"
    said = heard["data"]
    assert (said["message"], said["level"], said["process"]) == ("order refused", "WARNING", "engine")
    assert said["fields"] == {"order_id": "7", "api_secret": "***"}
    assert talk.ask("subscribe", channel="logs", search="NEEDLE")["type"] == "subscribed"
    desk.error("hay")
    desk.info("a needle in it")
    later = talk.hear()
    assert later["data"]["message"] == "a needle in it"
    assert later["id"] > heard["id"]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"level": "LOUD"}, "level"),
        ({"logger": ""}, "logger"),
        ({"search": "x" * 201}, "search"),
        ({"since_id": 1}, "since_id"),
    ],
)
def test_what_cannot_be_asked_is_told(follow: Follow, wish: dict[str, Any], field: str) -> None:
    answer = follow(**wish).hear()
    assert (answer["type"], answer["data"]["errors"][0]["field"]) == ("error", field)


def test_it_is_for_admins_alone(follow: Follow, app: Flask, user: SignedIn, admin: SignedIn) -> None:
    for headers in (user.headers, {}, with_key(app, admin, "read", "trade")):
        with pytest.raises(InvalidStatus) as refused:
            follow(headers)
        assert refused.value.response.status_code in {401, 403}
    assert follow(with_key(app, admin, "admin")).hear()["type"] == "subscribed"


def test_who_is_no_admin_any_more_is_cut(
    quick: None, follow: Follow, database: Database, admin: SignedIn, host: StreamerHost
) -> None:
    talk = follow()
    assert talk.hear()["type"] == "subscribed"
    with database.write() as session:
        session.execute(update(models.User).where(models.User.id == admin.id).values(role="user"))
    assert talk.end() == streamed.FORBIDDEN
    until(lambda: not host.call(lambda: len(host.streamer.feeds.logs.followings)))
    until(lambda: host.call(lambda: host.streamer.feeds.logs._tail) is None)  # nobody listens, no file is held


def test_who_does_not_read_is_told_how_much_was_missed_and_nothing_is_kept(tmp_path: Path) -> None:
    line = b'{"time":"2026-11-29T12:00:00+00:00","level":"INFO","process":"engine","logger":"engine","message":"%d"}\n'

    async def play() -> None:
        hub = Hub(most=10, most_per_user=10)
        readers = Readers(1, "files")
        feed = LogFeed(hub, tmp_path, set, readers)
        file = LogFile(tmp_path)
        file.write(line % 0)
        quick, slow = Listener(hub).connect(), Listener(hub).connect(limit=10)
        for each in (quick, slow):
            each.follow(LogFollowing(feed, each, FollowLogs()))
        for number in range(1, 1001):
            file.write(line % number)
        file.write(b'{"time": "cut sh\n')
        await feed.look()
        assert quick.pipe.take().count(b"event: log") == 1000
        assert slow.pipe.take().count(b"event: log") == 1
        assert slow.is_paused
        slow.pipe.limit = 10**9
        slow.pipe.read_all()
        assert b'event: missed\ndata: {"count":999}' in slow.pipe.take()
        file.write(line % 1001)
        await feed.look()
        assert slow.pipe.take().count(b"event: log") == 1
        readers.close()

    asyncio.run(play())


def test_an_unforeseen_failure_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(streamed, "LOOK_SECONDS", 0.001)
    line = b'{"time":"2026-11-29T12:00:00+00:00","level":"INFO","process":"engine","logger":"engine","message":"m"}\n'
    failures = [ValueError("nobody foresaw it")] * 2

    def records(tail: Any) -> Any:
        if failures:
            raise failures.pop()
        return whole(tail)

    whole = streamed._records
    monkeypatch.setattr(streamed, "_records", records)

    async def play() -> None:
        hub, readers = Hub(most=10, most_per_user=10), Readers(1, "files")
        feed = LogFeed(hub, tmp_path, set, readers)
        client = Listener(hub).connect()
        client.follow(LogFollowing(feed, client, FollowLogs()))
        LogFile(tmp_path).write(line)
        running = asyncio.create_task(feed.run())
        async with asyncio.timeout(30):
            while not feed.count:
                assert not running.done()
                await asyncio.sleep(0.01)
        running.cancel()
        assert client.pipe.take().count(b"event: log") == 1
        readers.close()

    asyncio.run(play())
    assert sum("cannot be followed" in record.message for record in caplog.records) == 1
