"""The journal: what was reckoned on top of a failed change fails with it."""

from __future__ import annotations

import asyncio

import pytest

import models
from engine.journal.journal import Journal
from engine.journal.unit import Line, Unit
from models import Database
from tests.books import rows
from tests.factories import SignedIn
from tests.failures import Failures, Kind, Vanishing
from utils.errors import EngineFault, EngineTimeout, StorageUnavailable
from utils.wire import Actor


def unit(line: Line, action: str) -> Unit:
    made = Unit(line)
    made.record(action, Actor(user_id=line.user_id), None)
    return made


@pytest.mark.parametrize(("kind", "error"), [("away", StorageUnavailable), ("constraint", EngineFault)])
def test_later_units_of_a_failed_line_are_refused_and_other_lines_go_on(
    database: Database, user: SignedIn, other: SignedIn, kind: Kind, error: type[Exception]
) -> None:
    mine, theirs = Line(user.account_id, user.id), Line(other.account_id, other.id)

    async def submit() -> list[BaseException | None]:
        journal = Journal(database)
        failures = Failures()
        failures.install(journal)
        failures.left, failures.kind = 1, kind
        journal.start()
        [first] = await asyncio.gather(journal.submit(unit(mine, "first")), return_exceptions=True)
        rest = [journal.submit(unit(mine, "second")), journal.submit(unit(theirs, "third"))]
        outcomes = await asyncio.gather(*rest, return_exceptions=True)
        await journal.stop()
        return [first, *outcomes]

    first, second, third = asyncio.run(submit())
    assert (type(first), type(second), third) == (error, StorageUnavailable, None)
    stored = [row.action for row in rows(database, models.AuditEntry)]
    assert [action for action in stored if action in {"first", "second", "third"}] == ["third"]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([None, None, True], [type(None), type(None)]),
        ([None, False], [StorageUnavailable, StorageUnavailable]),
        ([None], [EngineTimeout, EngineTimeout]),
    ],
)
def test_a_batch_whose_commit_was_not_answered_is_not_written_again(
    database: Database,
    user: SignedIn,
    other: SignedIn,
    monkeypatch: pytest.MonkeyPatch,
    outcomes: list[bool | None],
    expected: list[type[Exception]],
) -> None:
    journal = Journal(database)
    monkeypatch.setattr(journal, "_database", Vanishing(database, *outcomes))
    monkeypatch.setattr("engine.journal.journal.OUTCOME_SECONDS", 0.2)
    units = [unit(Line(each.account_id, each.id), "once") for each in (user, other)]
    assert [type(outcome) for outcome in journal._commit(units)] == expected
    assert len([row for row in rows(database, models.AuditEntry) if row.action == "once"]) == 2


def test_nothing_is_committed_while_an_outcome_is_not_known(
    database: Database, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(database)
    vanishing = Vanishing(database, None)
    monkeypatch.setattr(journal, "_database", vanishing)
    monkeypatch.setattr("engine.journal.journal.OUTCOME_SECONDS", 0.1)
    [first] = journal._commit([unit(Line(user.account_id, user.id), "first")])
    assert isinstance(first, EngineTimeout)
    vanishing.breaks = False
    # also the empty unit, after which an account is read anew
    for waiting in (unit(Line(user.account_id, user.id), "second"), Unit(Line("", ""))):
        assert [type(outcome) for outcome in journal._commit([waiting])] == [StorageUnavailable]
    vanishing.outcomes = [True]
    assert journal._commit([unit(Line(user.account_id, user.id), "third")]) == [None]
    actions = [row.action for row in rows(database, models.AuditEntry)]
    assert [action for action in actions if action in {"first", "second", "third"}] == ["first", "third"]
