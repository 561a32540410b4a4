"""Rankings, the leaderboard and prizes over HTTP: as a participant, as a stranger, and as an administrator."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

import models
from models import Database
from services.principals import Principal
from services.tournaments.awards import MOVES
from services.tournaments.rankings import Rankings
from tests.books import rows
from tests.factories import SignedIn, audit_rows
from tests.problems import assert_problem
from tests.tournaments import START, Player, end, people, players, settle, stand, team, tournament, trade
from utils import clock
from utils.octobot_bridge import OctoBotBridge
from utils.pages import Cursor
from utils.standings import Standing
from utils.wire import GetRanking, Ranking, RankRow

NAMES = ["zoe", "yan", "xia"]


class Cup:
    """A running tournament: the user and three others take part, and the user is third."""

    def __init__(self, database: Database, user: SignedIn, **changes: Any) -> None:
        self.database = database
        self.users = [*people(database, NAMES), user.id]
        self.id = tournament(database, user.id, **changes)
        teams: list[str | None] | None = None
        if changes.get("type") == "team":
            self.teams = [team(database, self.id, user.id, name) for name in ("Bulls", "Bears")]
            teams = [self.teams[number % 2] for number in range(4)]
        self.players = players(database, self.id, self.users, teams=teams)
        self.at = clock.now() - timedelta(minutes=5)
        self.values = dict(
            zip(self.players, (Decimal(each) for each in ("13000", "9000", "12000", "11000")), strict=True)
        )
        for player in self.players:
            trade(database, player, "500", "3")
        standings = {each: Standing.opening(each.id, START, self.at) for each in self.players}
        for player, standing in standings.items():
            standing.observe(self.values[player], self.at)
            standing.tally.count("1", Decimal(500), Decimal(3))
        stand(database, self.id, list(standings.values()))

    def settle(self, bridge: OctoBotBridge) -> None:
        """End it, and settle it."""
        end(self.database, self.id, {each.id: value for each, value in self.values.items()})
        settle(self.database, bridge)

    @property
    def mine(self) -> Player:
        """Return the user's part in it."""
        return self.players[3]


@pytest.fixture
def cup(database: Database, user: SignedIn) -> Cup:
    return Cup(database, user)


def get(client: FlaskClient, path: str, who: SignedIn) -> Any:
    answer = client.get(path, headers=who.headers)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def test_a_ranking_comes_in_pages_with_names(
    client: FlaskClient, database: Database, cup: Cup, user: SignedIn, other: SignedIn
) -> None:
    with database.write() as session:
        session.execute(update(models.User).where(models.User.id == cup.users[0]).values(display_name="Zoë the Great"))
    first = get(client, f"/api/tournaments/{cup.id}/rankings?limit=3", other)
    assert [(row["rank"], row["user"], row["return_percent"]) for row in first["data"]] == [
        (1, "Zoë the Great", "30"),
        (2, "xia", "20"),
        (3, user.username, "10"),
    ]
    third = first["data"][2]
    assert (third["participant"], third["value"], third["team"]) == (cup.mine.id, "11000", None)
    assert (third["trades"], third["win_rate"], third["volume"], third["max_drawdown"]) == (1, "100", "500", "0")
    assert first["stale"] is True  # the engine in memory follows nothing: this is what was stored
    cursor = first["pagination"]["next_cursor"]
    rest = get(client, f"/api/tournaments/{cup.id}/rankings?limit=3&cursor={cursor}", other)
    assert [row["user"] for row in rest["data"]] == ["yan"]
    assert rest["pagination"]["next_cursor"] is None
    foreign = get(client, "/api/trading/orders?limit=1", other)
    assert foreign["pagination"]["has_more"] is False
    bad = client.get(f"/api/tournaments/{cup.id}/rankings?cursor=abc", headers=other.headers)
    assert_problem(bad, 400, "invalid_cursor")


def test_everybody_finds_themselves(client: FlaskClient, cup: Cup, user: SignedIn, other: SignedIn) -> None:
    mine = get(client, f"/api/tournaments/{cup.id}/me", user)["data"]
    assert (mine["account"], mine["participants"], mine["ranking"]["rank"]) == (cup.mine.account, 4, 3)
    assert mine["team"] is None
    assert_problem(client.get(f"/api/tournaments/{cup.id}/me", headers=other.headers), 404, "not_in_tournament")


def test_who_may_not_see_a_tournament_sees_no_ranking_of_it(
    client: FlaskClient, database: Database, user: SignedIn, other: SignedIn, admin: SignedIn
) -> None:
    secret = Cup(database, user, visibility="private")
    paths = ("rankings", "rankings/teams", "rankings/history", "me", "prizes")
    for path in paths:
        answer = client.get(f"/api/tournaments/{secret.id}/{path}", headers=other.headers)
        assert_problem(answer, 404, "tournament_not_found")
    stream = client.get(f"/api/stream/rankings?tournament={secret.id}", headers=other.headers)
    assert_problem(stream, 404, "tournament_not_found")
    for who in (user, admin):
        assert len(get(client, f"/api/tournaments/{secret.id}/rankings", who)["data"]) == 4
        assert client.head(f"/api/stream/rankings?tournament={secret.id}", headers=who.headers).status_code == 200


def test_nothing_is_ranked_before_the_start(client: FlaskClient, database: Database, user: SignedIn) -> None:
    made = tournament(database, user.id, status="registration")
    players(database, made, [user.id])
    assert get(client, f"/api/tournaments/{made}/rankings", user)["data"] == []
    assert_problem(client.get(f"/api/tournaments/{made}/me", headers=user.headers), 404, "not_ranked_yet")


def test_teams_have_a_ranking_of_their_own(
    client: FlaskClient, database: Database, bridge: OctoBotBridge, user: SignedIn
) -> None:
    cup = Cup(database, user, type="team")
    cup.settle(bridge)
    told = get(client, f"/api/tournaments/{cup.id}/rankings/teams", user)["data"]
    assert [(row["rank"], row["name"], row["members"], row["value"], row["return_percent"]) for row in told] == [
        (1, "Bulls", 2, "25000", "25"),
        (2, "Bears", 2, "20000", "0"),
    ]
    mine = get(client, f"/api/tournaments/{cup.id}/me", user)["data"]
    assert (mine["team"]["name"], mine["team"]["rank"], mine["ranking"]["team"]) == ("Bears", 2, "Bears")
    prizes = get(client, f"/api/tournaments/{cup.id}/prizes", user)["data"]
    assert [(row["rank"], row["team"], row["amount"]) for row in prizes] == [
        (1, "Bulls", "312.5"),
        (1, "Bulls", "312.5"),
        (2, "Bears", "187.5"),
        (2, "Bears", "187.5"),
    ]


def test_history_is_ones_own_or_anybodys_who_takes_part(
    client: FlaskClient, database: Database, cup: Cup, bridge: OctoBotBridge, user: SignedIn, other: SignedIn
) -> None:
    cup.settle(bridge)
    mine = get(client, f"/api/tournaments/{cup.id}/rankings/history", user)["data"]
    assert [(row["rank"], row["value"], row["return_percent"]) for row in mine] == [(3, "11000", "10")]
    path = f"/api/tournaments/{cup.id}/rankings/history?participant="
    assert get(client, path + cup.players[0].id, other)["data"][0]["rank"] == 1
    assert_problem(client.get(path + "nobody", headers=other.headers), 404, "not_in_tournament")


def test_the_leaderboard_shows_who_wants_to_be_on_it(
    client: FlaskClient, database: Database, cup: Cup, bridge: OctoBotBridge, user: SignedIn
) -> None:
    cup.settle(bridge)
    assert get(client, "/api/leaderboard", user)["data"] == []
    assert_problem(client.get("/api/leaderboard/me", headers=user.headers), 404, "not_on_leaderboard")
    client.patch("/api/auth/me", json={"leaderboard_opt_in": True}, headers=user.headers)
    with database.write() as session:
        willing = models.User.id.in_(cup.users[:2])
        session.execute(update(models.User).where(willing).values(leaderboard_opt_in=True))
    first = get(client, "/api/leaderboard?limit=2", user)
    assert [(row["rank"], row["user"], row["return_percent"]) for row in first["data"]] == [
        (1, "zoe", "30"),
        (2, user.username, "10"),
    ]
    cursor = first["pagination"]["next_cursor"]
    rest = get(client, f"/api/leaderboard?limit=2&cursor={cursor}", user)
    assert [(row["rank"], row["user"], row["max_drawdown"]) for row in rest["data"]] == [(3, "yan", "10")]
    assert rest["pagination"]["has_more"] is False
    assert get(client, "/api/leaderboard/me", user)["data"] == first["data"][1]
    with database.write() as session:
        session.execute(update(models.User).where(models.User.id == cup.users[0]).values(is_active=False))
    assert [row["rank"] for row in get(client, "/api/leaderboard", user)["data"]] == [1, 2]


def test_a_winner_sees_the_prize_and_the_administrator_pays_it(
    client: FlaskClient, database: Database, cup: Cup, bridge: OctoBotBridge, user: SignedIn, admin: SignedIn
) -> None:
    assert get(client, f"/api/tournaments/{cup.id}/prizes", user)["data"] == []
    cup.settle(bridge)
    told = get(client, f"/api/tournaments/{cup.id}/prizes", user)["data"]
    assert [(row["rank"], row["user"], row["amount"], row["status"]) for row in told] == [
        (1, "zoe", "500", "pending"),
        (2, "xia", "300", "pending"),
        (3, user.username, "200", "pending"),
    ]
    [won] = get(client, "/api/prizes", user)["data"]
    path = f"/api/admin/prizes/{won['id']}"
    assert_problem(client.patch(path, json={"status": "paid"}, headers=admin.headers), 422, "reference_required")
    sent = client.patch(path, json={"status": "processing"}, headers=admin.headers)
    assert sent.get_json()["data"]["status"] == "processing"
    paid = client.patch(path, json={"status": "paid", "reference": "SEPA 7"}, headers=admin.headers)
    assert paid.get_json()["data"]["user_id"] == user.id
    assert_problem(client.patch(path, json={"status": "failed"}, headers=admin.headers), 409, "prize_paid")
    [won] = get(client, "/api/prizes", user)["data"]
    assert (won["status"], won["reference"], won["tournament_name"]) == ("paid", "SEPA 7", "Spring cup")
    assert ("prize.changed", "done", None) in audit_rows(database)


def test_only_administrators_manage_prizes(
    client: FlaskClient, cup: Cup, bridge: OctoBotBridge, user: SignedIn, admin: SignedIn
) -> None:
    cup.settle(bridge)
    managed = f"/api/admin/tournaments/{cup.id}/prizes"
    [first, *_] = get(client, managed, admin)["data"]
    assert (first["username"], first["amount"], first["note"]) == ("zoe", "500", None)
    for path in (managed, f"{managed}/export"):
        assert_problem(client.get(path, headers=user.headers), 403, "forbidden")
    change = {"status": "paid", "reference": "mine"}
    assert_problem(
        client.patch(f"/api/admin/prizes/{first['id']}", json=change, headers=user.headers), 403, "forbidden"
    )
    assert_problem(client.patch("/api/admin/prizes/none", json=change, headers=admin.headers), 404, "prize_not_found")
    nothing = client.patch(f"/api/admin/prizes/{first['id']}", json={}, headers=admin.headers)
    assert_problem(nothing, 422, "validation_failed")
    assert_problem(client.get("/api/admin/tournaments/none/prizes", headers=admin.headers), 404, "tournament_not_found")
    missing = client.get("/api/admin/tournaments/none/prizes/export", headers=admin.headers)
    assert_problem(missing, 404, "tournament_not_found")


def test_prizes_as_csv(client: FlaskClient, cup: Cup, bridge: OctoBotBridge, admin: SignedIn) -> None:
    cup.settle(bridge)
    answer = client.get(f"/api/admin/tournaments/{cup.id}/prizes/export", headers=admin.headers)
    assert answer.content_type.startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    assert [(line["rank"], line["username"], line["amount"], line["currency"]) for line in lines][:2] == [
        ("1", "zoe", "500", "USDT"),
        ("2", "xia", "300", "USDT"),
    ]
    assert sum(Decimal(line["amount"]) for line in lines) == 1000


@pytest.mark.parametrize("before", list(MOVES))
def test_prizes_make_the_moves_of_the_table_and_no_others(
    client: FlaskClient, database: Database, cup: Cup, bridge: OctoBotBridge, admin: SignedIn, before: str
) -> None:
    cup.settle(bridge)
    award = rows(database, models.Award)[0].id
    for after in MOVES:
        with database.write() as session:
            known = {"status": before, "reference": "r"}
            session.execute(update(models.Award).where(models.Award.id == award).values(known))
        answer = client.patch(f"/api/admin/prizes/{award}", json={"status": after}, headers=admin.headers)
        allowed = after == before or after in MOVES[before]  # type: ignore[index]
        if allowed:
            assert answer.status_code == 200
        else:
            assert_problem(answer, 409, f"prize_{before}")
        [row] = [row for row in rows(database, models.Award) if row.id == award]
        assert row.status == (after if allowed else before)


def test_rows_of_those_who_are_gone_are_left_out(database: Database, user: SignedIn) -> None:
    cup = Cup(database, user, type="team")
    known = {False: cup.players[1].id, True: cup.teams[0]}

    class Engine(OctoBotBridge):
        """Has not noticed yet that somebody is gone."""

        def __init__(self) -> None:
            pass

        def within(self, _timeout: float) -> Engine:
            return self

        def ranking(self, query: GetRanking) -> Ranking:
            opening = {"value": START, "max_drawdown": 0, "trades": 0, "wins": 0, "losses": 0, "volume": 0}
            ids = [known[query.teams], "gone"]
            rows = [RankRow(id=id, rank=rank, reached_at=cup.at, **opening) for rank, id in enumerate(ids, 1)]  # type: ignore[arg-type]
            return Ranking(rows=rows, count=3, as_of=cup.at)

    rankings = Rankings(database, Engine())
    told = rankings.top(cup.id)
    assert [row.participant for row in told.rankings] == [known[False]]
    assert [row.team for row in told.teams] == [known[True]]
    caller = Principal(user_id=user.id, username=user.username, role="user", session_id="")
    page = rankings.page(caller, cup.id, limit=2).value
    # the page goes on behind the one who is gone
    assert page.next_cursor == Cursor(cup.at, "2").encode()
