"""What participants are told of their tournament: each thing once, wherever the worker ends."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

import models
from models import Database
from services.jobs import Interrupted, Jobs
from services.tournaments import news
from services.tournaments.news import EVENTS, TournamentNews
from tests.books import rows
from tests.factories import SignedIn
from tests.integration.tournaments.mortal import Killed, Mortal
from tests.integration.tournaments.stage import LEASE, TOURNAMENTS, Stage
from tests.tournaments import START, end, people, players, settle, stand, tournament, trade
from utils import clock
from utils.octobot_bridge import OctoBotBridge
from utils.standings import Standing

PASSWORD = {"password": "correct-horse-7-staple"}


@pytest.fixture
def users(database: Database, bridge: OctoBotBridge, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Settle a tournament of five, the best first, whom nobody has told yet; two are a page."""
    monkeypatch.setattr(news, "PAGE", 2)
    users = people(database, ["ada", "bob", "cem", "dan", "eve"])
    made = tournament(database, users[0])
    everybody = players(database, made, users)
    for player in everybody:
        trade(database, player, "100")
    stand(database, made, [Standing.opening(each.id, START, clock.now()) for each in everybody])
    end(database, made, {each.id: START + 500 - 100 * number for number, each in enumerate(everybody)})
    settle(database, bridge)
    return users


def tell(database: Database, lives: int = -1) -> None:
    """Tell what is due as a process that dies after so many operations; whoever comes next need not wait for it."""
    [run] = Jobs(database).take(f"worker {lives}", {news.JOB: 1}, -LEASE)
    mortal: Any = Mortal(database, None, lives)
    TournamentNews(mortal).deliver(run)


def told(database: Database) -> Counter[tuple[str, str]]:
    """Count what each user was told."""
    return Counter(
        (row.user_id, msgspec.json.decode(row.payload)["event"]) for row in rows(database, models.Notification)
    )


def test_killed_before_and_after_every_page_everybody_is_told_once(database: Database, users: list[str]) -> None:
    pages = []
    for lives in (0, 1) * 3:
        with pytest.raises(Killed):
            tell(database, lives)
        pages.append(told(database).total())
    # two pages of two and one of one; the three best won something
    assert pages == [0, 4, 4, 7, 7, 8]
    tell(database)
    tell(database)
    expected = [(user, "ended") for user in users] + [(user, "prize_won") for user in users[:3]]
    assert told(database) == Counter(expected)


def test_who_lost_the_lease_tells_nobody(database: Database, users: list[str]) -> None:
    queue, telling = Jobs(database), TournamentNews(database)
    [lost] = queue.take("one", {news.JOB: 1}, -LEASE)
    [held] = queue.take("two", {news.JOB: 1}, LEASE)
    with pytest.raises(Interrupted):
        telling.deliver(lost)
    assert told(database) == {}
    telling.deliver(held)
    assert set(told(database).values()) == {1}


def test_who_was_deleted_is_told_nothing(database: Database, users: list[str]) -> None:
    gone = update(models.User).where(models.User.id.in_((users[0], users[3])))
    with database.write() as session:
        session.execute(gone.values(deleted_at=clock.now()))
    tell(database)
    assert {user for user, _ in told(database)} == {users[1], users[2], users[4]}


def test_from_joining_to_the_payment_of_the_prize(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    tournament = stage.create(name="Spring cup")
    hers, _ = (stage.join(who, tournament) for who in (ann, ben))
    [joined] = stage.told(ann, "joined")
    assert joined["title"] == "You take part in Spring cup"
    assert (joined["payload"]["account"], joined["payload"]["starts_at"]) == (hers, tournament["starts_at"])
    stage.travel(minutes=1)
    stage.run_due()
    assert stage.work() == []
    [started] = stage.told(ann, "started")
    assert (started["title"], started["payload"]["ends_at"]) == ("Spring cup has started", tournament["ends_at"])
    assert stage.order(ann, hers).status_code == 201
    stage.price("BTC/USDT", 60_000)
    stage.travel(minutes=6)
    stage.run_due()
    assert stage.work() == []
    [ended] = stage.told(ann, "ended")
    value, start = stage.entry(ann).final_value, Decimal(10_000)
    gained = round((value / start - 1) * 100, 4)
    assert ended["title"] == f"Spring cup is over: rank 1 of 2 with {gained:+.2f} %"
    payload = ended["payload"]
    assert (payload["rank"], payload["participants"], payload["account"]) == (1, 2, hers)
    assert (Decimal(payload["value"]), Decimal(payload["return_percent"])) == (value, gained)
    assert stage.told(ben, "ended")[0]["title"] == "Spring cup is over: rank 2 of 2 with +0.00 %"
    [won] = stage.told(ann, "prize_won")
    [prize] = stage.ok(ann, "GET", "/api/prizes")
    assert won["title"] == "You won 1000 USDT in Spring cup"
    assert (won["payload"]["prize"], Decimal(won["payload"]["amount"])) == (prize["id"], 1000)
    assert stage.told(ben, "prize_won") == []
    _move_the_prize(stage, ann, prize["id"])
    assert {each["kind"] for each in stage.ok(ben, "GET", "/api/notifications")} == {"tournament"}
    assert sum(len(stage.told(ben, event)) for event in EVENTS) == 3


def _move_the_prize(stage: Stage, winner: SignedIn, prize: str) -> None:
    path = f"/api/admin/prizes/{prize}"
    for change in ({"status": "processing"}, {"note": "By bank."}, {"status": "failed"}, {"status": "failed"}):
        stage.ok(stage.admin, "PATCH", path, change)
    [failed] = stage.told(winner, "prize_failed")
    assert failed["title"] == "Your prize of 1000 USDT in Spring cup could not be paid"
    assert "note" not in failed["payload"]
    for change in ({"status": "processing"}, {"status": "paid", "reference": "B-1"}, {"note": "Done."}):
        stage.ok(stage.admin, "PATCH", path, change)
    [paid] = stage.told(winner, "prize_paid")
    assert (paid["title"], paid["payload"]["reference"]) == ("Your prize of 1000 USDT in Spring cup was paid", "B-1")
    assert len(stage.told(winner, "prize_failed")) == 1


def test_a_winner_who_was_deleted_is_not_told_of_the_payment(stage: Stage, ann: SignedIn) -> None:
    tournament = stage.create()
    account = stage.join(ann, tournament)
    stage.admin_move(tournament, "start")
    assert stage.order(ann, account).status_code == 201
    stage.admin_move(tournament, "end")
    assert stage.work() == []
    [prize] = stage.rows(models.Award)
    stage.ok(ann, "POST", "/api/auth/me/deletion", PASSWORD)
    stage.ok(stage.admin, "PATCH", f"/api/admin/prizes/{prize.id}", {"status": "paid", "reference": "B-1"})
    assert stage.rows(models.Notification) == []


def test_a_team_is_told_of_its_rank(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    tournament = stage.create(type="team")
    team = stage.ok(ann, "POST", f"{TOURNAMENTS}{tournament['id']}/teams", {"name": "Bulls"})
    stage.ok(ben, "POST", f"{TOURNAMENTS}{tournament['id']}/teams", {"name": "Bears"})
    [joined] = stage.told(ann, "joined")
    assert (joined["title"], joined["payload"]["team"]) == ("You take part in Cup, in the team Bulls", team["id"])
    stage.admin_move(tournament, "start")
    stage.admin_move(tournament, "end")
    assert stage.work() == []
    ranks = {row.team_id: row.rank for row in stage.rows(models.TeamRank)}
    [ended] = stage.told(ann, "ended")
    assert ended["title"].endswith(f"; your team has rank {ranks[team['id']]}")
    assert (ended["payload"]["team"], ended["payload"]["team_rank"]) == (team["id"], ranks[team["id"]])


def test_a_repeated_key_joins_and_tells_once(stage: Stage, ann: SignedIn) -> None:
    path = f"{TOURNAMENTS}{stage.create()['id']}/join"
    for _ in range(2):
        stage.ok(ann, "POST", path, {}, **{"Idempotency-Key": "k"})
    assert len(stage.told(ann, "joined")) == 1


def test_who_does_not_want_to_be_told_in_the_application_is_not(stage: Stage, ann: SignedIn, ben: SignedIn) -> None:
    silent = {"kind": "tournament", "in_app": False, "webhook": True}
    stage.ok(ann, "PUT", "/api/notifications/settings", {"settings": [silent]})
    tournament = stage.create()
    for who in (ann, ben):
        stage.join(who, tournament)
    stage.admin_move(tournament, "cancel", {"reason": "Rain."})
    assert stage.work() == []
    assert stage.ok(ann, "GET", "/api/notifications") == []
    assert [each["payload"]["reason"] for each in stage.told(ben, "cancelled")] == ["Rain."]
