"""Joining and leaving: who may, how many, with which account, in which team."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

import models
from services.tournaments import participation
from services.tournaments.moves import lock
from tests.factories import SignedIn, audit_rows, with_key
from tests.integration.tournaments.stage import TOURNAMENTS, Stage, stamp
from tests.problems import assert_problem
from utils import clock, ids


def test_whoever_joins_gets_an_account_that_is_not_theirs_to_fill(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    tournament = stage.create(starting_balance="2500")
    path = f"{TOURNAMENTS}{tournament['id']}"
    first = stage.ok(ann, "POST", f"{path}/join", {}, **{"Idempotency-Key": "once"})
    assert stage.ok(ann, "POST", f"{path}/join", {}, **{"Idempotency-Key": "once"}) == first
    assert_problem(stage.call(ann, "POST", f"{path}/join"), 409, "already_joined")
    account = stage.ok(ann, "GET", f"/api/accounts/{first['account']}")
    assert (account["kind"], account["mode"], account["starting_balance"]) == ("tournament", "paper", "2500")
    assert stage.ok(ann, "GET", f"/api/portfolio?account={account['id']}")["total_value"] == "2500"
    seen = stage.get(tournament, ann)
    assert (seen["participants"], seen["account"]) == (1, account["id"])
    assert stage.get(tournament, ben)["account"] is None
    where = f"/api/accounts/{account['id']}"
    deposit = {"currency": "USDT", "amount": "1"}
    assert_problem(stage.call(ann, "POST", f"{where}/deposit", deposit), 409, "account_managed")
    assert_problem(stage.call(ann, "POST", f"{where}/reset", {}), 409, "account_managed")
    assert_problem(stage.call(ann, "DELETE", where), 409, "account_managed")
    assert_problem(stage.call(ben, "GET", where), 404, "account_not_found")
    assert_problem(stage.order(ben, account["id"]), 404, "account_not_found")
    strategy = {"strategy_class": "grid", "portfolio_name": "BTC/USDT", "funding": "50", "account": account["id"]}
    assert_problem(stage.call(ann, "POST", "/api/strategies/", strategy), 409, "account_managed")


def test_who_leaves_before_the_start_may_come_again(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    tournament = stage.create()
    path = f"{TOURNAMENTS}{tournament['id']}"
    account = stage.join(ann, tournament)
    stage.ok(ann, "GET", f"/api/portfolio?account={account}")
    assert stage.ok(ann, "POST", f"{path}/leave") == {"tournament": tournament["id"], "account": account}
    assert_problem(stage.call(ann, "POST", f"{path}/leave"), 409, "not_joined")
    assert_problem(stage.call(ben, "POST", f"{path}/leave"), 409, "not_joined")
    assert stage.work() == []
    assert stage.ok(ann, "GET", f"/api/accounts/{account}")["status"] == "archived"
    again = stage.join(ann, tournament)
    assert again != account
    stage.admin_move(tournament, "start")
    assert_problem(stage.call(ann, "POST", f"{path}/leave"), 409, "tournament_running")
    assert_problem(stage.order(ann, account), 409, "account_archived")
    assert stage.order(ann, again).status_code == 201
    actions = [action for action, _, _ in audit_rows(stage.database) if action.startswith("tournament.")]
    assert actions[1:5] == ["tournament.joined", "tournament.left", "tournament.joined", "tournament.started"]


def test_an_account_that_was_left_trades_nothing_before_it_is_archived(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create()
    account = stage.join(ann, tournament)
    stage.ok(ann, "POST", f"{TOURNAMENTS}{tournament['id']}/leave")
    stage.admin_move(tournament, "start")
    assert_problem(stage.order(ann, account), 409, "tournament_left")


def test_the_last_place_is_given_once(stage: Stage) -> None:
    tournament = stage.create(max_participants=3)
    users = [stage.user() for _ in range(6)]
    path = f"{TOURNAMENTS}{tournament['id']}/join"

    def join(user: SignedIn) -> int:
        return int(stage.app.test_client().post(path, json={}, headers=user.headers).status_code)

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(join, users))
    assert statuses == [201] * 3 + [409] * 3
    assert stage.get(tournament)["participants"] == 3
    assert len(stage.rows(models.Account, models.Account.kind == "tournament")) == 3
    late = stage.user()
    assert_problem(stage.call(late, "POST", path), 409, "tournament_full")


def test_registration_has_an_end_and_asks_how_long_somebody_has_been_here(stage: Stage, ann: SignedIn) -> None:
    closes = stamp(clock.now() + timedelta(seconds=50))
    tournament = stage.create(min_account_age_days=2, registration_ends_at=closes)
    path = f"{TOURNAMENTS}{tournament['id']}/join"
    assert_problem(stage.call(ann, "POST", path), 409, "account_too_young")
    with stage.database.write() as session:
        old = update(models.User).where(models.User.id == ann.id)
        session.execute(old.values(created_at=clock.now() - timedelta(days=3)))
    stage.travel(seconds=51)
    assert_problem(stage.call(ann, "POST", path), 409, "registration_closed")
    stage.travel(seconds=-51)
    stage.join(ann, tournament)


def test_a_private_one_is_there_for_those_who_know_the_code_alone(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    tournament = stage.create(visibility="private", join_code="tulip-bulbs")
    public, draft = stage.create(), stage.create(draft=True)
    path = f"{TOURNAMENTS}{tournament['id']}"
    for call in ("GET", path), ("POST", f"{path}/join"), ("GET", f"{path}/teams"), ("POST", f"{path}/leave"):
        assert_problem(stage.call(ann, *call), 404, "tournament_not_found")
    assert_problem(stage.call(ann, "POST", f"{path}/join", {"code": "tulip-bulbz"}), 404, "tournament_not_found")
    assert_problem(stage.call(ann, "POST", f"{TOURNAMENTS}{draft['id']}/join"), 404, "tournament_not_found")
    stage.join(ann, tournament, code="tulip-bulbs")
    assert stage.get(tournament, ann)["participants"] == 1
    assert "tulip" not in str(stage.get(tournament))

    def listed(who: SignedIn, query: str = "") -> list[str]:
        return [each["id"] for each in stage.ok(who, "GET", f"{TOURNAMENTS}{query}")]

    assert listed(ben) == [public["id"]]
    assert listed(ann) == [public["id"], tournament["id"]]
    assert listed(ann, "?joined=true") == [tournament["id"]]
    assert listed(stage.admin, "?status=draft") == [draft["id"]]
    page = stage.call(ann, "GET", f"{TOURNAMENTS}?limit=1").get_json()
    assert listed(ann, f"?limit=1&cursor={page['pagination']['next_cursor']}") == [tournament["id"]]
    stage.ok(stage.admin, "PATCH", f"{TOURNAMENTS}{public['id']}", {"visibility": "private", "join_code": "12345678"})
    assert listed(ben) == []


def test_teams_have_names_members_and_an_end(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    tournament = stage.create(type="team", max_team_size=2)
    path = f"{TOURNAMENTS}{tournament['id']}"
    assert "team" in str(assert_problem(stage.call(ann, "POST", f"{path}/join"), 422, "validation_failed"))
    bulls = stage.ok(ann, "POST", f"{path}/teams", {"name": "Bulls"}, **{"Idempotency-Key": "bulls"})
    assert stage.ok(ann, "POST", f"{path}/teams", {"name": "Bulls"}, **{"Idempotency-Key": "bulls"}) == bulls
    assert (bulls["members"], bulls["is_mine"]) == (1, True)
    for name in ("BULLS", "\uff22ulls", "Bull\u017f"):
        assert_problem(stage.call(ben, "POST", f"{path}/teams", {"name": name}), 409, "team_name_taken")
    assert_problem(stage.call(ann, "POST", f"{path}/teams", {"name": "Bears"}), 409, "already_joined")
    team = f"{TOURNAMENTS}teams/{bulls['id']}"
    assert_problem(stage.call(ben, "POST", f"{team}/leave"), 409, "not_joined")
    joined = stage.ok(ben, "POST", f"{team}/join", {})
    assert (joined["team"], joined["tournament"]) == (bulls["id"], tournament["id"])
    third = stage.user()
    assert_problem(stage.call(third, "POST", f"{team}/join"), 409, "team_full")
    assert_problem(stage.call(third, "POST", f"{path}/join", {"team": bulls["id"]}), 409, "team_full")
    assert_problem(stage.call(third, "POST", f"{TOURNAMENTS}teams/nobody/join"), 404, "team_not_found")
    stage.ok(ann, "POST", f"{team}/leave")
    [row] = stage.rows(models.Team)
    assert row.captain_id == ben.id
    stage.join(third, tournament, team=bulls["id"])
    bears = stage.ok(ann, "POST", f"{path}/teams", {"name": "Bears"})
    seen = stage.ok(third, "GET", f"{path}/teams")
    assert [(each["name"], each["members"], each["is_mine"]) for each in seen] == [
        ("Bulls", 2, True),
        ("Bears", 1, False),
    ]
    assert stage.get(tournament, third)["team"] == bulls["id"]
    stage.ok(ann, "POST", f"{TOURNAMENTS}teams/{bears['id']}/leave")
    assert [each["name"] for each in stage.ok(third, "GET", f"{path}/teams")] == ["Bulls"]
    solo = stage.create()
    alone = stage.call(ann, "POST", f"{TOURNAMENTS}{solo['id']}/teams", {"name": "Us"})
    assert_problem(alone, 409, "tournament_without_teams")
    wrong = stage.call(ann, "POST", f"{TOURNAMENTS}{solo['id']}/join", {"team": bulls["id"]})
    assert_problem(wrong, 422, "validation_failed")


def test_keys_do_what_their_scope_says(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create()
    path = f"{TOURNAMENTS}{tournament['id']}"
    read, trade = (with_key(stage.app, ann, scope) for scope in ("read", "trade"))
    assert_problem(stage.client.post(f"{path}/join", headers=read), 403, "forbidden")
    assert stage.client.get(path, headers=read).status_code == 200
    assert stage.client.post(f"{path}/join", headers=trade).status_code == 201
    admin = with_key(stage.app, stage.admin, "admin", "read")
    assert stage.client.post(f"{path}/start", headers=admin).status_code == 200


def test_who_is_deleted_before_the_start_takes_part_no_more(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    tournament = stage.create(type="team")
    team = stage.ok(ann, "POST", f"{TOURNAMENTS}{tournament['id']}/teams", {"name": "Duo"})
    stage.join(ben, tournament, team=team["id"])
    stage.ok(ann, "POST", "/api/auth/me/deletion", {"password": "correct-horse-7-staple"})
    assert [row.user_id for row in stage.rows(models.Participant)] == [ben.id]
    assert [row.captain_id for row in stage.rows(models.Team)] == [ben.id]


def test_a_team_that_somebody_joins_while_its_last_member_is_deleted_stays(
    stage: Stage, ann: SignedIn, ben: SignedIn
) -> None:
    tournament = stage.create(type="team")
    team = stage.ok(ann, "POST", f"{TOURNAMENTS}{tournament['id']}/teams", {"name": "Duo"})
    body = {"password": "correct-horse-7-staple"}
    answers: list[int] = []

    def delete() -> None:
        client = stage.app.test_client()
        answers.append(client.post("/api/auth/me/deletion", json=body, headers=ann.headers).status_code)

    other = threading.Thread(target=delete)
    now, [hers] = clock.now(), stage.rows(models.Participant)
    [account] = stage.rows(models.Account, models.Account.id == hers.account_id)
    with stage.database.write() as session:
        lock(session, tournament["id"])
        own = {"id": ids.new_id(), "user_id": ben.id}
        session.execute(insert(models.Account).values({**account._mapping, **own}))
        entry = {"id": ids.new_id(), "tournament_id": tournament["id"], "user_id": ben.id, "account_id": own["id"]}
        session.execute(insert(models.Participant).values(**entry, team_id=team["id"], joined_at=now))
        session.flush()
        other.start()
        other.join(1.0)  # it waits for this transaction, wherever it is by now
    other.join(30.0)
    assert answers == [200]
    assert [row.user_id for row in stage.rows(models.Participant)] == [ben.id]
    assert [row.captain_id for row in stage.rows(models.Team)] == [ben.id]


def test_whoever_writes_for_a_user_who_is_being_deleted_goes_first(
    stage: Stage, ann: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stage.database.is_sqlite:
        pytest.skip("SQLite has one lock for all")
    tournament = stage.create()
    stage.join(ann, tournament)
    [account] = stage.rows(models.Account, models.Account.user_id == ann.id, models.Account.kind == "tournament")
    body, leaves, leave_all = {"password": "correct-horse-7-staple"}, threading.Event(), participation.leave_all

    def leave(session: Session, user_id: str) -> None:
        leaves.set()  # the user is locked, and their tournament will be
        leave_all(session, user_id)

    monkeypatch.setattr(participation, "leave_all", leave)

    def delete() -> int:
        return stage.app.test_client().post("/api/auth/me/deletion", json=body, headers=ann.headers).status_code

    with ThreadPoolExecutor(1) as threads:
        with stage.database.write() as session:
            # as one does who joins: the tournament first, then a row of the user; a deletion locks them the other way
            lock(session, tournament["id"])
            deletion = threads.submit(delete)
            assert leaves.wait(60)
            session.execute(insert(models.Account).values({**account._mapping, "id": ids.new_id(), "name": "Late"}))
        assert deletion.result(60) == 200
    accounts = stage.rows(models.Account, models.Account.user_id == ann.id)
    assert {row.name for row in accounts} == {"Account"}
    assert len(accounts) == 3
