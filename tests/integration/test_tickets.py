"""Stream tickets: for streams alone, used once by a WebSocket, again by an event source, dead with their session."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

import models
from models import Database
from services.audit import SYSTEM
from services.users import tickets as module
from services.users.tickets import LIFETIME, PATIENCE, Tickets
from tests.books import rows
from tests.factories import SignedIn, audit_rows, services_of
from tests.problems import assert_problem
from utils import clock
from utils.errors import Unauthenticated

URL = "/api/auth/stream-ticket"
SECOND = timedelta(seconds=1)
Later = Callable[[timedelta], None]


@pytest.fixture
def tickets(app: Flask) -> Tickets:
    return services_of(app).tickets


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let time go by, for tickets alone."""
    passed = timedelta()

    class Clock:
        @staticmethod
        def now() -> datetime:
            return clock.now() + passed

    def pass_by(span: timedelta) -> None:
        nonlocal passed
        passed += span

    monkeypatch.setattr(module, "clock", Clock)
    return pass_by


def issue(tickets: Tickets, user: SignedIn) -> str:
    return tickets.issue(user.principal, SYSTEM).ticket


def is_good(tickets: Tickets, ticket: str, *, for_websocket: bool = False) -> bool:
    try:
        tickets.redeem(ticket, for_websocket=for_websocket)
    except Unauthenticated as error:
        assert error.code in {"ticket_invalid", "session_ended"}
        return False
    return True


def test_stands_for_its_user_who_may_only_read(client: FlaskClient, tickets: Tickets, user: SignedIn) -> None:
    answer = client.post(URL, headers=user.headers)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert answer.get_json()["data"]["expires_in"] == 30

    principal = tickets.redeem(answer.get_json()["data"]["ticket"], for_websocket=True)

    assert (principal.user_id, principal.session_id) == (user.id, user.principal.session_id)
    assert {"streams:read", "market:read", "orders:read"} <= principal.permissions
    assert all(permission.endswith(":read") for permission in principal.permissions)
    assert any(permission.endswith(":write") for permission in user.principal.permissions)


def test_is_worth_nothing_elsewhere(client: FlaskClient, tickets: Tickets, user: SignedIn) -> None:
    ticket = issue(tickets, user)
    assert_problem(client.get("/api/auth/me", headers={"Authorization": f"Bearer {ticket}"}), 401, "token_invalid")
    assert client.get(f"/api/auth/me?ticket={ticket}", headers=user.headers).status_code == 422
    assert_problem(client.get("/api/portfolio", query_string={"ticket": ticket}), 401, "token_missing")
    assert_problem(client.post(URL), 401, "token_missing")


def test_only_its_hash_is_stored(database: Database, tickets: Tickets, user: SignedIn) -> None:
    ticket = issue(tickets, user)
    everything = [str(row) for each in models.Base.registry.mappers for row in rows(database, each.class_)]
    assert not [row for row in everything if ticket in row]
    assert audit_rows(database)[-1] == ("stream_ticket.issued", "done", None)


def test_no_answer_is_kept_under_an_idempotency_key(client: FlaskClient, database: Database, user: SignedIn) -> None:
    headers = {**user.headers, "Idempotency-Key": "same"}
    given = {client.post(URL, headers=headers).get_json()["data"]["ticket"] for _ in range(2)}
    assert len(given) == 2
    assert rows(database, models.IdempotencyKey) == []


def test_of_fifty_websockets_at_once_one_opens(tickets: Tickets, user: SignedIn) -> None:
    ticket = issue(tickets, user)
    with ThreadPoolExecutor(50) as threads:
        opened = list(threads.map(lambda _: is_good(tickets, ticket, for_websocket=True), range(50)))
    assert opened.count(True) == 1
    assert not is_good(tickets, ticket)


def test_an_event_source_comes_again_and_no_websocket_after_it(tickets: Tickets, user: SignedIn, later: Later) -> None:
    ticket = issue(tickets, user)
    for _ in range(5):
        assert is_good(tickets, ticket)
        assert not is_good(tickets, ticket, for_websocket=True)
        later(PATIENCE - SECOND)
    later(2 * SECOND)
    assert not is_good(tickets, ticket)


@pytest.mark.parametrize("for_websocket", [True, False])
def test_the_first_use_must_come_soon(tickets: Tickets, user: SignedIn, later: Later, for_websocket: bool) -> None:
    early, late = issue(tickets, user), issue(tickets, user)
    later(LIFETIME - SECOND)
    assert is_good(tickets, early, for_websocket=for_websocket)
    later(2 * SECOND)
    assert not is_good(tickets, late, for_websocket=for_websocket)


def test_a_long_stream_keeps_its_ticket(tickets: Tickets, user: SignedIn, later: Later) -> None:
    held, unused = issue(tickets, user), issue(tickets, user)
    assert is_good(tickets, held)
    for _ in range(6):
        tickets.keep([held, unused, "not-a-ticket"])
        later(PATIENCE - SECOND)
    assert is_good(tickets, held)
    assert not is_good(tickets, unused)


@pytest.mark.parametrize("ticket", ["", "x", "é", "x" * 10_000, "' OR 1=1 --", "\x00"])
def test_what_is_no_ticket_is_refused(tickets: Tickets, user: SignedIn, ticket: str) -> None:
    issue(tickets, user)
    assert not is_good(tickets, ticket)
    assert not is_good(tickets, ticket, for_websocket=True)


@pytest.mark.parametrize("for_websocket", [True, False])
def test_what_is_not_good_takes_no_turn_at_writing(
    app: Flask, tickets: Tickets, user: SignedIn, later: Later, monkeypatch: pytest.MonkeyPatch, for_websocket: bool
) -> None:
    spent, late = issue(tickets, user), issue(tickets, user)
    assert is_good(tickets, spent, for_websocket=True)
    later(LIFETIME + SECOND)
    orphan = issue(tickets, user)
    services_of(app).sessions.log_out(user.principal, SYSTEM)

    def refuse(_self: Database) -> None:
        raise AssertionError("a turn at writing was taken")

    monkeypatch.setattr(Database, "writing", refuse)
    for ticket in ("made-up", spent, late, orphan):
        assert not is_good(tickets, ticket, for_websocket=for_websocket)


@pytest.mark.parametrize("end", ["logout", "expiry", "deactivation"])
def test_dies_with_its_session(
    client: FlaskClient, database: Database, tickets: Tickets, user: SignedIn, other: SignedIn, end: str
) -> None:
    used, fresh, theirs = issue(tickets, user), issue(tickets, user), issue(tickets, other)
    assert is_good(tickets, used)
    past = clock.now() - SECOND
    with database.write() as session:
        if end == "expiry":
            session.execute(update(models.Session).where(models.Session.user_id == user.id).values(expires_at=past))
        if end == "deactivation":
            session.execute(update(models.User).where(models.User.id == user.id).values(is_active=False))
    if end == "logout":
        client.post("/api/auth/logout", headers=user.headers)

    assert [is_good(tickets, ticket) for ticket in (used, fresh, theirs)] == [False, False, True]
    assert not is_good(tickets, fresh, for_websocket=True)


def test_those_that_are_over_do_not_pile_up(database: Database, tickets: Tickets, user: SignedIn, later: Later) -> None:
    for _ in range(3):
        issue(tickets, user)
        later(LIFETIME)
    assert len(rows(database, models.StreamTicket)) == 1
