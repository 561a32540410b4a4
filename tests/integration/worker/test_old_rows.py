"""What is kept for a while is deleted a little at a time, so that nobody who writes waits for long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select

import models
from config import Settings
from models import Database
from services import build_for_worker, old_rows
from tests.factories import SignedIn
from utils import clock, ids
from worker.schedule import schedule

OLD = 2 * old_rows.BATCH + 1
LONG_AGO = timedelta(days=31)


def notification(user: SignedIn) -> dict[str, Any]:
    return {"user_id": user.id, "kind": "fill", "title": "Bought", "payload": "{}"}


def mail(user: SignedIn) -> dict[str, Any]:
    return {"user_id": user.id, "kind": "fill", "title": "Bought", "text": "", "state": "failed", "attempts": 1}


def delivery(_user: SignedIn) -> dict[str, Any]:
    return {"webhook_id": "hook", "kind": "fill", "body": "{}", "state": "failed", "attempts": 1}


def job(user: SignedIn) -> dict[str, Any]:
    return {"user_id": user.id, "kind": "sum", "payload": "{}", "state": "failed", "run_at": clock.now(), "attempts": 1}


def key(user: SignedIn) -> dict[str, Any]:
    return {"user_id": user.id, "request_hash": "none"}


@pytest.mark.parametrize(
    ("thing", "table", "row"),
    [
        ("old notifications", models.Notification, notification),
        ("old mail", models.MailDelivery, mail),
        ("old deliveries", models.WebhookDelivery, delivery),
        ("old jobs", models.Job, job),
        ("old idempotency keys", models.IdempotencyKey, key),
    ],
)
def test_old_rows_go_a_few_in_each_transaction(
    database: Database,
    settings: Settings,
    user: SignedIn,
    monkeypatch: pytest.MonkeyPatch,
    thing: str,
    table: Any,
    row: Any,
) -> None:
    monkeypatch.setattr(old_rows, "PAUSE_SECONDS", 0)
    now, fields = clock.now(), row(user)

    def made(at: Any) -> dict[str, Any]:
        names = {column.name for column in table.__table__.columns}
        values = {"id": ids.new_id(), "key": ids.new_id(), **fields, "created_at": at, "finished_at": at}
        return {name: value for name, value in values.items() if name in names}

    with database.writing() as connection:
        hook = {"id": "hook", "user_id": user.id, "url": "https://example.com", "sealed": b"", "key_id": "none"}
        connection.execute(insert(models.Webhook).values(**hook, created_at=now))
        before = connection.execute(select(func.count()).select_from(table)).scalar_one()
        connection.execute(insert(table), [made(now - LONG_AGO) for _ in range(OLD)] + [made(now)])
    services = build_for_worker(settings)
    deletions: list[int] = []

    def note(_connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE"):
            deletions.append(cursor.rowcount)

    [forget] = [each.call for each in schedule(services) if each.name == thing]
    engine = forget.__self__._database.engine  # type: ignore[attr-defined]
    event.listen(engine, "after_cursor_execute", note)
    try:
        forget()
    finally:
        services.close()
    assert deletions == [old_rows.BATCH, old_rows.BATCH, 1]
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() == before + 1
