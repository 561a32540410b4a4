"""The lock of a user on PostgreSQL: it lets through what only refers to the user."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.orm import Session

import models
from app import create_app
from config import Settings
from engine.journal.journal import Journal
from engine.journal.keys import Claim
from engine.journal.unit import Line, Unit
from models import Database
from services.idempotency import Idempotency
from services.user_lock import lock_user
from services.users import administration
from tests.books import rows
from tests.factories import SignedIn
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture(autouse=True)
def server(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("SQLite has one lock for all")


def test_two_requests_of_a_user_with_different_keys_do_not_wait_for_each_other(
    settings: Settings,
    engine_bridge: OctoBotBridge,
    database: Database,
    user: SignedIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = create_app(settings, bridge=engine_bridge, database=database)
    both_took = threading.Barrier(2)
    take: Callable[..., bool] = Idempotency._take

    def take_together(*args: Any) -> bool:
        taken = take(*args)
        both_took.wait(30)
        return taken

    monkeypatch.setattr(Idempotency, "_take", take_together)

    def post(key: str) -> int:
        headers = user.headers | {"Idempotency-Key": key}
        return app.test_client().post("/api/accounts", json={"name": key}, headers=headers).status_code

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(post, ["first", "second"])) == [201, 201]
    names = {row.name for row in rows(database, models.Account)}
    assert {"first", "second"} <= names


@pytest.mark.parametrize("lock", [lock_user, administration.lock])
def test_the_journal_commits_while_a_user_is_locked(
    database: Database, user: SignedIn, lock: Callable[[Session, str], object]
) -> None:
    made = Unit(Line(user.account_id, user.id))
    made.key(Claim("traded", "digest"), answer={})  # a row that refers to the user, as those of orders and events do

    async def commit() -> None:
        journal = Journal(database)
        journal.start()
        await journal.submit(made)
        await journal.stop()

    with database.write() as session:
        lock(session, user.id)
        asyncio.run(commit())
    assert [row.key for row in rows(database, models.IdempotencyKey)] == ["traded"]


def test_a_second_lock_waits_for_the_first(database: Database, user: SignedIn) -> None:
    locked, order = threading.Event(), []

    def second() -> None:
        assert locked.wait(30)
        with database.write() as session:
            lock_user(session, user.id)
            order.append("second")

    with ThreadPoolExecutor(1) as threads:
        with database.write() as session:
            lock_user(session, user.id)
            waiting = threads.submit(second)
            locked.set()
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            order.append("first")
        waiting.result(30)
    assert order == ["first", "second"]
