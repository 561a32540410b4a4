"""The life of a tournament: its table of moves, walked whole, by administrators and by the clock."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

import models
from services.tournaments import moves as tournament_moves
from services.tournaments.moves import MOVES, STATUSES, Status, change, lock
from tests.factories import SignedIn, audit_rows
from tests.integration.tournaments.stage import TOURNAMENTS, Stage, stamp
from tests.problems import assert_problem, fields
from utils import clock

VERBS: dict[str, Status] = {"open": "registration", "start": "running", "end": "closing", "cancel": "cancelled"}


def put(stage: Stage, tournament: dict[str, Any], status: str) -> None:
    with stage.database.write() as session:
        change(session, tournament["id"], {"status": status})


def test_every_move_is_possible_or_refused_as_the_table_says(stage: Stage) -> None:
    tournament = stage.create()
    moved = set()
    for before, (verb, after) in product(STATUSES, VERBS.items()):
        put(stage, tournament, before)
        answer = stage.admin_move(tournament, verb)
        if after in MOVES[before]:
            assert answer.get_json()["data"]["status"] == stage.get(tournament)["status"] == after
            moved.add((before, after))
        else:
            assert_problem(answer, 409, f"tournament_{before}")
            assert stage.get(tournament)["status"] == before
    assert moved == {
        *(("draft", "registration"), ("registration", "running"), ("running", "closing")),
        *((before, "cancelled") for before in ("draft", "registration", "running")),
    }
    # the last one is the worker's: see test_end
    assert {(before, after) for before in MOVES for after in MOVES[before]} - moved == {("closing", "finished")}


def test_the_clock_makes_every_move_once_and_in_time(stage: Stage, ann: SignedIn) -> None:
    now = clock.now()
    times = {name: stamp(now + timedelta(minutes=at)) for name, at in (("starts_at", 3), ("ends_at", 5))}
    opens, closes = (stamp(now + timedelta(minutes=at)) for at in (1, 2))
    draft = stage.create(draft=True, registration_starts_at=opens, registration_ends_at=closes, **times)
    seen = [draft["status"]]
    for _ in range(5):
        assert stage.run_due() == 0  # before its moment nothing happens
        stage.travel(minutes=1)
        if seen[-1] == "draft":
            assert_problem(stage.call(ann, "GET", f"{TOURNAMENTS}{draft['id']}"), 404, "tournament_not_found")
        stage.run_due()
        assert stage.run_due() == 0  # after it nothing more
        seen.append(stage.get(draft)["status"])
        if seen == ["draft", "registration"]:
            stage.join(ann, draft)
    assert seen == ["draft", "registration", "registration", "running", "running", "closing"]
    stage.work()
    after = stage.get(draft)
    assert after["status"] == "finished"
    assert {name: after[name] for name in times} == {name: draft[name] for name in times}
    told = [action for action, _, _ in audit_rows(stage.database) if action.startswith("tournament.")]
    assert [each for each in told if each != "tournament.entry_closed"] == [
        *("tournament.created", "tournament.opened", "tournament.joined"),
        *("tournament.started", "tournament.ended", "tournament.finished", "tournament.settled"),
    ]


@pytest.mark.parametrize(
    ("status", "moment"), [("draft", "registration_starts_at"), ("registration", "starts_at"), ("running", "ends_at")]
)
@pytest.mark.parametrize("is_deleted", [False, True])
def test_what_is_put_off_while_the_schedule_waits_for_the_lock_is_not_due(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, status: str, moment: str, is_deleted: bool
) -> None:
    tournament = stage.create()
    now = clock.now()
    with stage.database.write() as session:
        change(session, tournament["id"], {"status": status, moment: now})

    def late_lock(session: Session, tournament_id: str) -> Any:
        """Lock a row as PostgreSQL does when somebody else held it: as it is after their commit."""
        if is_deleted:
            session.execute(delete(models.Tournament).where(models.Tournament.id == tournament_id))
        else:
            change(session, tournament_id, {moment: now + timedelta(hours=1)})
        return lock(session, tournament_id)

    with monkeypatch.context() as patched:
        patched.setattr(tournament_moves, "lock", late_lock)
        assert stage.worker.tournament_schedule.run_due(now) == 0
    assert [row.status for row in stage.rows(models.Tournament)] == ([] if is_deleted else [status])
    later = stage.worker.tournament_schedule.run_due(now + timedelta(hours=1))
    assert (later > 0) is not is_deleted


def test_after_a_downtime_all_moves_are_made_up_for(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create()
    draft = stage.create(draft=True, registration_starts_at=stamp(clock.now() + timedelta(seconds=40)))
    stage.join(ann, tournament)
    stage.travel(minutes=10)
    assert stage.run_due() == 2 + 3
    stage.work()
    assert [stage.get(each)["status"] for each in (tournament, draft)] == ["finished", "finished"]
    assert stage.entry(ann).final_value == 10_000


def test_with_too_few_participants_it_is_cancelled(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create(min_participants=2)
    account = stage.join(ann, tournament)
    stage.travel(minutes=2)
    stage.run_due()
    cancelled = stage.get(tournament)
    assert (cancelled["status"], cancelled["status_reason"]) == ("cancelled", "too_few_participants")
    assert_problem(stage.order(ann, account), 409, "tournament_over")
    assert stage.work() == []
    assert stage.ok(ann, "GET", f"/api/accounts/{account}")["status"] == "archived"
    [told] = stage.told(ann, "cancelled")
    assert (told["kind"], told["payload"]["status"]) == ("tournament", "cancelled")
    assert told["payload"]["reason"] == "too_few_participants"
    assert [stage.told(ann, event) for event in ("started", "ended")] == [[], []]


def test_an_administrator_starts_and_ends_before_the_time(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create()
    account = stage.join(ann, tournament)
    started = stage.admin_move(tournament, "start").get_json()["data"]
    assert started["starts_at"] < tournament["starts_at"]
    assert started["registration_ends_at"] == started["starts_at"]
    assert stage.order(ann, account).status_code == 201
    ended = stage.admin_move(tournament, "end").get_json()["data"]
    assert started["starts_at"] < ended["ends_at"] < tournament["ends_at"]
    assert_problem(stage.order(ann, account), 409, "tournament_over")  # at once, not a moment later


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
    ({"starts_at": "2020-01-01T00:00:00Z"}, "starts_at"),
    ({"registration_ends_at": "2999-01-01T00:00:00Z"}, "registration_ends_at"),
    ({"symbols": ["BTC/EUR"]}, "symbols"),
    ({"symbols": []}, "symbols"),
    ({"currency": "XXX"}, "currency"),
    ({"max_leverage": "3"}, "max_leverage"),
    ({"max_team_size": 3}, "max_team_size"),
    ({"visibility": "private"}, "join_code"),
    ({"min_participants": 5, "max_participants": 4}, "max_participants"),
    ({"starting_balance": "0"}, "starting_balance"),
    ({"prize_pool": "-1"}, "prize_pool"),
    ({"prize_rules": {"shares": ["60", "50"]}}, "prize_rules.shares"),
    ({"type": "pairs"}, "type"),
    ({"name": " "}, "name"),
]


def test_what_does_not_fit_is_refused_and_changes_nothing(stage: Stage) -> None:
    tournament = stage.create()
    for wrong, field in CHANGES:
        made = stage.call(stage.admin, "POST", TOURNAMENTS, stage.body(**wrong))
        assert field in dict(fields(assert_problem(made, 422, "validation_failed"))), wrong
        edited = stage.call(stage.admin, "PATCH", f"{TOURNAMENTS}{tournament['id']}", wrong)
        assert field in dict(fields(assert_problem(edited, 422, "validation_failed"))), wrong
    assert stage.get(tournament) == tournament
    assert len(stage.rows(models.Tournament)) == 1


def test_rules_stay_once_somebody_has_joined(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create()
    path = f"{TOURNAMENTS}{tournament['id']}"
    edited = stage.ok(stage.admin, "PATCH", path, {"starting_balance": "500", "symbols": ["eth-usdt"]})
    assert (edited["starting_balance"], edited["symbols"]) == ("500", ["ETH/USDT"])
    stage.join(ann, tournament)
    for change_ in ({"starting_balance": "600"}, {"symbols": None}, {"prize_pool": "1"}, {"type": "team"}):
        assert_problem(stage.call(stage.admin, "PATCH", path, change_), 409, "tournament_joined")
    later = stamp(clock.now() + timedelta(minutes=2))
    moved = stage.ok(stage.admin, "PATCH", path, {"starts_at": later, "description": "New words"})
    assert (moved["starts_at"], moved["registration_ends_at"]) == (later, later)
    stage.admin_move(tournament, "start")
    assert_problem(stage.call(stage.admin, "PATCH", path, {"max_participants": 9}), 409, "tournament_running")
    assert stage.ok(stage.admin, "PATCH", path, {"name": "Final cup"})["name"] == "Final cup"
    stage.admin_move(tournament, "end")
    assert_problem(stage.call(stage.admin, "PATCH", path, {"name": "x"}), 409, "tournament_closing")
    assert_problem(stage.call(stage.admin, "PATCH", path, {}), 422, "validation_failed")


def test_drafts_are_deleted_and_nothing_else_is(stage: Stage) -> None:
    draft, open_ = stage.create(draft=True), stage.create()
    assert stage.ok(stage.admin, "DELETE", f"{TOURNAMENTS}{draft['id']}")["id"] == draft["id"]
    assert_problem(stage.call(stage.admin, "GET", f"{TOURNAMENTS}{draft['id']}"), 404, "tournament_not_found")
    refused = stage.call(stage.admin, "DELETE", f"{TOURNAMENTS}{open_['id']}")
    assert_problem(refused, 409, "tournament_registration")
    actions = {action for action, _, _ in audit_rows(stage.database)}
    assert "tournament.deleted" in actions


def test_users_make_and_move_nothing(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create()
    path = f"{TOURNAMENTS}{tournament['id']}"
    assert_problem(stage.call(ann, "POST", TOURNAMENTS, stage.body()), 403, "forbidden")
    assert_problem(stage.call(ann, "PATCH", path, {"name": "Mine"}), 403, "forbidden")
    assert_problem(stage.call(ann, "DELETE", path), 403, "forbidden")
    for verb in VERBS:
        assert_problem(stage.call(ann, "POST", f"{path}/{verb}"), 403, "forbidden")
    assert stage.get(tournament) == tournament


def test_a_repeated_key_makes_one_tournament(stage: Stage) -> None:
    body = stage.body()
    first, second = (stage.ok(stage.admin, "POST", TOURNAMENTS, body, **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first == second
    assert len(stage.rows(models.Tournament)) == 1
