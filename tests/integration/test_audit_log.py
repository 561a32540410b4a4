"""The audit log: sealed in batches, searched, and every change of a sealed entry found."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text, update

import models
from engine.journal import audit_seals
from engine.journal.audit_seals import AuditSeals
from models import AuditEntry, Database
from models.seals import ANCHOR
from services import audit, verification
from services.audit import Origin
from services.operations import audit_log
from services.verification.audit import chain, fact
from tests.factories import SignedIn, services_of, with_key
from tests.problems import assert_problem
from utils import clock
from utils.errors import StorageUnavailable

PATH = "/api/admin/audit-log"
YEARS = timedelta(days=730)


def write(database: Database, count: int, **values: Any) -> None:
    with database.write() as session:
        for number in range(count):
            origin = Origin(ip="192.0.2.7", request_id=f"request-{number}")
            audit.record(session, origin, "thing.changed", user_id="u", target=f"t{number}", **values)


def seal(database: Database) -> int:
    return asyncio.run(AuditSeals(database, YEARS).seal())


def checked(database: Database) -> list[str]:
    with database.snapshot() as connection:
        return [each.check for each in chain(connection)]


@pytest.fixture
def sealed(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Seal twelve entries in three batches."""
    monkeypatch.setattr(audit_seals, "BATCH", 5)
    write(database, 12, detail={"to": "admin"})
    assert seal(database) == 12
    return database


class TestSealing:
    def test_numbers_every_committed_entry_once(self, sealed: Database) -> None:
        assert seal(sealed) == 0
        write(sealed, 3)
        assert seal(sealed) == 3
        with sealed.read() as connection:
            numbers = connection.execute(select(AuditEntry.number).order_by(AuditEntry.number)).scalars().all()
        assert numbers == list(range(1, 16))
        assert checked(sealed) == []

    def test_an_entry_that_is_committed_late_is_sealed_later(self, sealed: Database) -> None:
        write(sealed, 1)
        with sealed.write() as session:
            session.execute(
                update(AuditEntry).where(AuditEntry.number.is_(None)).values(created_at=clock.now() - timedelta(days=1))
            )
        seal(sealed)
        with sealed.read() as connection:
            oldest = select(AuditEntry.number).order_by(AuditEntry.created_at).limit(1)
            assert connection.execute(oldest).scalar() == 13
        assert checked(sealed) == []

    def test_killed_between_batches_it_goes_on(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit_seals, "BATCH", 5)
        write(database, 12)
        assert AuditSeals(database, YEARS)._seal_batch() == 5
        assert seal(database) == 7
        assert checked(database) == []


TAMPERING = {
    "an actor": ("UPDATE audit_log SET user_id = 'another' WHERE number = 4", {"audit_changed"}),
    "an actor who is nobody": ("UPDATE audit_log SET user_id = NULL WHERE number = 4", {"audit_changed"}),
    "an action": ("UPDATE audit_log SET action = 'thing.kept' WHERE number = 12", {"audit_changed"}),
    "a target": ("UPDATE audit_log SET target = NULL WHERE number = 1", {"audit_changed"}),
    "an outcome": ("UPDATE audit_log SET outcome = 'denied' WHERE number = 5", {"audit_changed"}),
    "an address": ("UPDATE audit_log SET ip = '192.0.2.8' WHERE number = 6", {"audit_changed"}),
    "a detail": ('UPDATE audit_log SET detail = \'{"to":"user"}\' WHERE number = 6', {"audit_changed"}),
    "a time": ("UPDATE audit_log SET created_at = '2026-01-01 00:00:00.000000+00' WHERE number = 6", {"audit_changed"}),
    "a seal": ("UPDATE audit_log SET seal = 'f' WHERE number = 12", {"audit_changed"}),
    "a removal": ("DELETE FROM audit_log WHERE number = 7", {"audit_removed"}),
    "a removal from the beginning": ("DELETE FROM audit_log WHERE number <= 3", {"audit_removed"}),
    "a removal from the end": ("DELETE FROM audit_log WHERE number > 10", {"audit_removed"}),
    "a removal of all": ("DELETE FROM audit_log", {"audit_removed"}),
    "a removal that closes the gap": (
        "DELETE FROM audit_log WHERE number = 7; UPDATE audit_log SET number = number - 1 WHERE number = 8",
        {"audit_changed", "audit_removed"},
    ),
    "another order": (
        "UPDATE audit_log SET number = 100 WHERE number = 3; UPDATE audit_log SET number = 3 WHERE number = 8;"
        "UPDATE audit_log SET number = 8 WHERE number = 100",
        {"audit_changed"},
    ),
    "a seal taken away": ("UPDATE audit_log SET number = NULL, seal = NULL WHERE number = 4", {"audit_removed"}),
}


@pytest.mark.parametrize("what", TAMPERING)
def test_whoever_tampers_is_found(sealed: Database, what: str) -> None:
    statements, expected = TAMPERING[what]
    with sealed.write() as session:
        for statement in statements.split(";"):
            session.execute(text(statement if not sealed.is_sqlite else statement.replace("+00'", "'")))
    assert set(checked(sealed)) == expected
    assert expected <= {each.check for each in verification.differences(sealed)}


class TestForgetting:
    def test_keeps_what_is_younger_and_the_chain_whole(self, sealed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audit_seals, "BATCH", 500)
        with sealed.write() as session:
            # as if it had been sealed then: what is older is forgotten from the front
            session.execute(text("DELETE FROM installation WHERE key LIKE 'audit.%'"))
            session.execute(update(AuditEntry).values(number=None, seal=None))
            old = select(AuditEntry.id).order_by(AuditEntry.id).limit(7)
            session.execute(
                update(AuditEntry).where(AuditEntry.id.in_(old)).values(created_at=clock.now() - timedelta(days=800))
            )
        seal(sealed)

        assert asyncio.run(AuditSeals(sealed, YEARS).sweep(clock.now())) == 7

        with sealed.read() as connection:
            assert connection.execute(select(func.min(AuditEntry.number))).scalar() == 8
            assert fact(connection, ANCHOR).number == 7
        assert checked(sealed) == []
        with sealed.write() as session:
            session.execute(text("DELETE FROM audit_log WHERE number = 8"))
        assert checked(sealed) == ["audit_removed"]

    def test_forgets_nothing_unsealed(self, database: Database) -> None:
        write(database, 2)
        assert asyncio.run(AuditSeals(database, timedelta(0)).sweep(clock.now() + YEARS)) == 0


class TestReading:
    def get(self, client: FlaskClient, admin: SignedIn, **query: Any) -> Any:
        return client.get(PATH, headers=admin.headers, query_string=query)

    def test_filters(self, client: FlaskClient, database: Database, admin: SignedIn, user: SignedIn) -> None:
        write(database, 3, detail={"to": "admin"})
        entries = self.get(client, admin, action="thing.changed").get_json()["data"]
        assert [entry["target"] for entry in entries] == ["t2", "t1", "t0"]
        assert (entries[0]["detail"], entries[0]["number"], entries[0]["ip"]) == ({"to": "admin"}, None, "192.0.2.7")
        by_user = self.get(client, admin, user_id=user.id).get_json()["data"]
        assert [entry["action"] for entry in by_user] == ["session.started", "user.signed_up"]
        assert self.get(client, admin, target="t1").get_json()["data"][0]["id"] == entries[1]["id"]
        assert len(self.get(client, admin, request_id="request-2", ip="192.0.2.7").get_json()["data"]) == 1
        assert self.get(client, admin, outcome="denied").get_json()["data"] == []
        since = self.get(client, admin, after=entries[1]["created_at"], action="thing.changed").get_json()["data"]
        assert [entry["target"] for entry in since] == ["t2"]
        until = self.get(client, admin, until=entries[1]["created_at"], action="thing.changed").get_json()["data"]
        assert [entry["target"] for entry in until] == ["t1", "t0"]

    def test_pages_without_gap_or_repetition(self, client: FlaskClient, database: Database, admin: SignedIn) -> None:
        write(database, 7)
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(client, admin, action="thing.changed", limit=3, **cursor).get_json()
            seen += [entry["target"] for entry in page["data"]]
            if not page["pagination"]["has_more"]:
                break
            cursor = {"cursor": page["pagination"]["next_cursor"]}
        assert seen == [f"t{number}" for number in reversed(range(7))]

    @pytest.mark.parametrize("query", [{"outcome": "maybe"}, {"after": "yesterday"}, {"user_id": "x" * 37}, {"who": 1}])
    def test_refuses_what_it_does_not_know(self, client: FlaskClient, admin: SignedIn, query: dict[str, Any]) -> None:
        assert_problem(self.get(client, admin, **query), 422, "validation_failed")

    def test_as_csv(
        self, client: FlaskClient, database: Database, admin: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit_log, "CHUNK", 2)
        write(database, 5, detail={"=": "=1+1"})
        answer = client.get(f"{PATH}/export", headers=admin.headers, query_string={"action": "thing.changed"})
        assert answer.mimetype == "text/csv"
        rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
        assert [row["target"] for row in rows] == ["t4", "t3", "t2", "t1", "t0"]
        assert tuple(rows[0]) == audit_log.COLUMNS

    def test_a_key_is_named(self, app: Flask, client: FlaskClient, database: Database, admin: SignedIn) -> None:
        headers = with_key(app, admin, "trade")
        opened = client.post("/api/accounts", headers=headers, json={"name": "x"})
        assert opened.status_code == 503  # there is no engine here, and so nothing was changed
        client.patch(f"/api/accounts/{admin.account_id}", headers=headers, json={"name": "Renamed"})
        entry = self.get(client, admin, action="account.renamed").get_json()["data"][0]
        key_id = services_of(app).api_keys.principal(headers["X-API-Key"]).key_id
        assert (entry["user_id"], entry["detail"]) == (admin.id, {"api_key": key_id})


class TestVerifying:
    def verify(self, client: FlaskClient, admin: SignedIn, **query: Any) -> Any:
        return client.get(f"{PATH}/verification", headers=admin.headers, query_string=query).get_json()["data"]

    def test_goes_along_in_parts(
        self, client: FlaskClient, sealed: Database, admin: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit_log, "VERIFIED_AT_ONCE", 5)
        reports: list[Any] = []
        after: dict[str, int] = {}
        while not reports or reports[-1]["next"] is not None:
            reports.append(self.verify(client, admin, **after))
            after = {"after": reports[-1]["next"]}
        assert [(report["first"], report["last"]) for report in reports] == [(1, 5), (6, 10), (11, 12)]
        assert {report["head"] for report in reports} == {12}
        assert [report["differences"] for report in reports] == [[], [], []]
        assert reports[0]["unsealed"] == 2  # the admin's own signing up and in

    def test_tells_what_was_changed(self, client: FlaskClient, sealed: Database, admin: SignedIn) -> None:
        with sealed.write() as session:
            session.execute(text("UPDATE audit_log SET user_id = 'another' WHERE number = 4"))
        (difference,) = self.verify(client, admin)["differences"]
        assert difference.startswith("audit_changed: entry 4 (")

    def test_of_nothing(self, client: FlaskClient, database: Database, admin: SignedIn) -> None:
        report = self.verify(client, admin)
        assert (report["entries"], report["differences"], report["head"], report["unsealed"]) == (0, [], 0, 2)


def test_a_search_that_takes_too_long_is_broken_off(database: Database) -> None:
    forever = (
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000000)"
        " SELECT count(*) FROM numbers"
    )
    began = time.monotonic()
    with pytest.raises(StorageUnavailable), database.bounded(0.2) as connection:
        connection.execute(text(forever))
    assert time.monotonic() - began < 10
    with database.read() as connection:  # the next reader of the same connection has all the time it wants
        assert connection.execute(select(func.count()).select_from(models.User)).scalar() == 0
