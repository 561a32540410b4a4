"""Announcements: everybody is told, once, wherever a worker ends."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

import models
from models import Database
from services import WorkerServices
from services.jobs import Interrupted
from services.notifications import announcements
from services.notifications.notifications import notify_all
from tests.factories import SignedIn, sign_in
from tests.integration.worker.working import LEASE, work
from tests.problems import assert_problem

PATH = "/api/admin/announcements"
DOWN = {"title": "Down on Sunday", "message": "The engine moves."}


def announce(client: FlaskClient, who: SignedIn, body: Any, key: str | None = None) -> Any:
    headers = who.headers if key is None else {**who.headers, "Idempotency-Key": key}
    return client.post(PATH, json=body, headers=headers)


def told(database: Database) -> dict[str, int]:
    notification = models.Notification
    with database.read() as connection:
        query = (
            select(notification.user_id, func.count().label("told"))
            .where(notification.kind == "announcement")
            .group_by(notification.user_id)
        )
        return {row.user_id: row.told for row in connection.execute(query)}


def test_every_active_user_is_told_once_wherever_a_worker_ends(
    app: Flask,
    client: FlaskClient,
    database: Database,
    admin: SignedIn,
    worker: WorkerServices,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users = [sign_in(app, database) for _ in range(6)]
    away = sign_in(app, database)
    with database.write() as session:
        session.execute(update(models.User).where(models.User.id == away.id).values(is_active=False))
    monkeypatch.setattr(announcements, "USERS", 2)
    made = announce(client, admin, DOWN)
    assert made.status_code == 202
    late = sign_in(app, database)
    calls = [0]

    def failing(*arguments: Any) -> None:
        notify_all(*arguments)
        calls[0] += 1
        if calls[0] % 2 == 0:
            raise RuntimeError("ended here")

    monkeypatch.setattr(announcements, "notify_all", failing)
    ends = 0
    [run] = worker.jobs.take("first", {announcements.JOB: 1}, LEASE)
    while True:
        try:
            worker.announcements.deliver(run)
            break
        except RuntimeError:
            ends += 1
            worker.jobs.recover("first")
            [run] = worker.jobs.take("first", {announcements.JOB: 1}, LEASE)
    assert ends > 1
    assert told(database) == {each.id: 1 for each in (admin, *users)}
    assert late.id not in told(database)
    [listed] = client.get(PATH, headers=admin.headers).get_json()["data"]
    assert (listed["told"], listed["title"], listed["message"]) == (7, DOWN["title"], DOWN["message"])
    assert listed["finished_at"] is not None
    worker.announcements.deliver(run)
    assert set(told(database).values()) == {1}


def test_a_repeated_announcement_is_one(
    client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn, worker: WorkerServices
) -> None:
    first, second = (announce(client, admin, DOWN, "key").get_json()["data"] for _ in range(2))
    assert first == second
    assert_problem(announce(client, admin, {**DOWN, "title": "Up"}, "key"), 422, "idempotency_key_reused")
    assert work(worker) == 1
    assert told(database) == {admin.id: 1, user.id: 1}
    [mine] = client.get("/api/notifications", headers=user.headers).get_json()["data"]
    assert (mine["kind"], mine["title"]) == ("announcement", DOWN["title"])
    assert mine["payload"] == {"announcement": first["id"], "message": DOWN["message"]}


@pytest.mark.parametrize("body", [{}, {"title": " ", "message": "x"}, {"title": "x", "message": ""}, {**DOWN, "x": 1}])
def test_an_announcement_says_something(client: FlaskClient, admin: SignedIn, body: Any) -> None:
    assert_problem(announce(client, admin, body), 422, "validation_failed")


def test_users_announce_nothing(client: FlaskClient, user: SignedIn) -> None:
    assert_problem(announce(client, user, DOWN), 403, "forbidden")
    assert_problem(client.get(PATH, headers=user.headers), 403, "forbidden")


def test_a_run_that_is_not_held_any_more_tells_nobody(
    client: FlaskClient, database: Database, admin: SignedIn, worker: WorkerServices
) -> None:
    announce(client, admin, DOWN)
    [run] = worker.jobs.take("first", {announcements.JOB: 1}, LEASE)
    worker.jobs.give_back(run)
    with pytest.raises(Interrupted):
        worker.announcements.deliver(run)
    assert told(database) == {}
