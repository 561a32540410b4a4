"""Settlements: prizes that sum to the pool, written exactly once, wherever the worker is killed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

import models
from models import Database
from services import jobs, verification
from services.tournaments import all_time, news, prizes
from services.tournaments.prize_rules import PrizeRules, encode
from tests.books import rows
from tests.tournaments import (
    START,
    Player,
    end,
    people,
    players,
    set_status,
    settle,
    stand,
    team,
    tournament,
    trade,
)
from utils import clock
from utils.errors import Conflict, EngineUnavailable
from utils.octobot_bridge import OctoBotBridge
from utils.standings import Standing

NAMES = [f"player{number}" for number in range(7)]
VALUES = [Decimal(each) for each in ("12000", "9000", "15000", "10000", "12000", "12000", "16000")]
"""What everybody ends with; the last one never trades."""


class Killed(BaseException):
    """The worker is gone."""


def cup(database: Database, **changes: Any) -> tuple[str, list[Player]]:
    """Let seven take part, of whom six trade, and end it; who is first of those with 12,000 is told by drawdown."""
    users = people(database, NAMES)
    made = tournament(database, users[0], **changes)
    everybody = players(database, made, users)
    for number, player in enumerate(everybody[:-1]):
        for gain in (None, "5", "-1")[: 1 + number % 3]:
            trade(database, player, "100.5", gain)
    opening = [Standing.opening(each.id, START, clock.now() - timedelta(hours=1)) for each in everybody]
    for standing, low in zip(opening, ("8000", "9000", "9000", "9900", "9500", "8000", "10000"), strict=True):
        standing.observe(Decimal(low), clock.now() - timedelta(minutes=30))
    stand(database, made, opening)
    end(database, made, {each.id: value for each, value in zip(everybody, VALUES, strict=True)})
    return made, everybody


def awards(database: Database) -> list[tuple[int, str, Decimal, str]]:
    """Return place, user, amount and status of all awards, the best first."""
    found = sorted(rows(database, models.Award), key=lambda row: (row.place, -row.amount, row.id))
    return [(row.place, row.user_id, row.amount, row.status) for row in found]


def test_ranks_and_prizes_are_those_of_trades_and_final_values(database: Database, bridge: OctoBotBridge) -> None:
    made, everybody = cup(database)
    settle(database, bridge)
    ranks = sorted(rows(database, models.Rank), key=lambda row: row.rank)
    order = [6, 2, 4, 0, 5, 3, 1]
    assert [row.participant_id for row in ranks] == [everybody[number].id for number in order]
    assert [row.value for row in ranks] == [VALUES[number] for number in order]
    assert [row.trades for row in ranks] == [0, 3, 2, 1, 3, 1, 2]
    assert [(row.wins, row.losses) for row in ranks] == [(0, 0), (1, 1), (1, 0), (0, 0), (1, 1), (0, 0), (1, 0)]
    assert [row.volume for row in ranks] == [row.trades * Decimal("100.5") for row in ranks]
    assert [row.max_drawdown for row in ranks] == [0, 10, 5, 20, 20, 1, 10]
    # the best one never traded: the next ones are first, second and third
    winners = [everybody[number].user for number in (2, 4, 0)]
    assert awards(database) == [
        (place, winner, amount, "pending")
        for place, (winner, amount) in enumerate(zip(winners, (500, 300, 200), strict=True), start=1)
    ]
    [row] = rows(database, models.Tournament)
    assert row.settled_at is not None
    past = [row for row in rows(database, models.PastRank) if row.at == rows(database, models.Tournament)[0].ends_at]
    assert sorted(each.rank for each in past) == list(range(1, 8))
    assert [each.target for each in rows(database, models.AuditEntry) if each.action == "tournament.settled"] == [made]


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_commit_it_is_settled_once(
    database: Database, bridge: OctoBotBridge, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(prizes, "ROWS_AT_ONCE", 2)
    _, everybody = cup(database)
    kills: list[tuple[bool, int]] = []
    while _settle_killed(database, bridge, monkeypatch, kills, when):
        assert len(kills) < 50
    # four commits of ranks and one of prizes, then four of all-time entries, which come first when it is done again
    unsettled = [(False, number) for number in range(1, 6 if when == "after" else 7)]
    assert kills == unsettled + [(True, number) for number in range(1, 5)]
    settle(database, bridge)  # nothing is left to do
    found = awards(database)
    assert [each[1] for each in found] == [everybody[number].user for number in (2, 4, 0)]
    assert sum(amount for _, _, amount, _ in found) == 1000
    entries = {row.user_id: row for row in rows(database, models.LeaderboardEntry)}
    assert entries.keys() == {each.user for each in everybody[:-1]}
    assert {entry.tournaments for entry in entries.values()} == {1}
    assert entries[everybody[2].user].growth == Decimal("1.5")
    assert [(row.kind, row.state) for row in rows(database, models.Job)] == [
        (prizes.JOB, "succeeded"),
        (news.JOB, "queued"),
    ]
    assert len([row for row in rows(database, models.AuditEntry) if row.action == "tournament.settled"]) == 1


def _settle_killed(
    database: Database,
    bridge: OctoBotBridge,
    monkeypatch: pytest.MonkeyPatch,
    kills: list[tuple[bool, int]],
    when: str,
) -> bool:
    """Settle until a commit at which it was never killed, and kill it there; tell whether there was one.

    Commits are told apart by whether the tournament was settled when the job began, and by their number.
    """
    write, commits = database.write, 0
    settled = rows(database, models.Tournament)[0].settled_at is not None

    @contextmanager
    def killing() -> Iterator[Any]:
        nonlocal commits
        commits += 1
        new = (settled, commits) not in kills
        if new:
            kills.append((settled, commits))
        with write() as session:
            yield session
            if new and when == "before":
                raise Killed
        if new:
            raise Killed

    queue, settling = jobs.Jobs(database), prizes.Prizes(database, bridge)
    queue.recover("test")
    [run] = queue.take("test", {prizes.JOB: 1}, timedelta(seconds=60))
    with monkeypatch.context() as patched:
        patched.setattr(database, "write", killing)
        try:
            settling.settle(run)
        except Killed:
            return True
    queue.succeed(run)
    return False


def test_who_lost_the_lease_writes_nothing(database: Database, bridge: OctoBotBridge) -> None:
    cup(database)
    queue, settling = jobs.Jobs(database), prizes.Prizes(database, bridge)
    [lost] = queue.take("one", {prizes.JOB: 1}, timedelta(seconds=-1))
    [held] = queue.take("two", {prizes.JOB: 1}, timedelta(seconds=60))
    before = [(row.participant_id, row.rank) for row in rows(database, models.Rank)]
    with pytest.raises(jobs.Interrupted):
        settling.settle(lost)
    assert [(row.participant_id, row.rank) for row in rows(database, models.Rank)] == before
    assert awards(database) == []
    settling.settle(held)
    settling.settle(replace(held))  # as after a kill between the last commit and the job's own
    assert sum(amount for _, _, amount, _ in awards(database)) == 1000


def test_teams_share_their_prizes(database: Database, bridge: OctoBotBridge) -> None:
    users = people(database, NAMES)
    rules = PrizeRules(shares=[Decimal(60), Decimal(40)], team_split="gain")
    made = tournament(database, users[0], type="team", prize_pool=Decimal("100.01"), prize_rules=encode(rules))
    three = [team(database, made, users[0], name) for name in ("Bulls", "Bears", "Whales")]
    everybody = players(database, made, users, teams=[three[number % 3] for number in range(6)] + [None])
    for player in everybody:
        trade(database, player, "10")
    values = [Decimal(each) for each in (10_500, 9_000, 11_000, 10_250, 9_500, 13_000, 20_000)]
    end(database, made, {each.id: value for each, value in zip(everybody, values, strict=True)})
    settle(database, bridge)
    ranks = sorted(rows(database, models.TeamRank), key=lambda row: row.rank)
    assert [(row.team_id, row.value, row.trades) for row in ranks] == [
        (three[2], 24_000, 2),
        (three[0], 20_750, 2),
        (three[1], 18_500, 2),
    ]
    # 60.01 in parts of 3 to 1, and 40.00 in parts of 2 to 1; who has no team wins nothing
    assert awards(database) == [
        (1, users[5], Decimal("45.01"), "pending"),
        (1, users[2], Decimal("15.00"), "pending"),
        (2, users[0], Decimal("26.67"), "pending"),
        (2, users[3], Decimal("13.33"), "pending"),
    ]
    assert sum(amount for _, _, amount, _ in awards(database)) == Decimal("100.01")


def test_nobody_is_paid_where_nobody_traded(database: Database, bridge: OctoBotBridge) -> None:
    users = people(database, NAMES[:2])
    made = tournament(database, users[0])
    everybody = players(database, made, users)
    end(database, made, {each.id: START for each in everybody})
    settle(database, bridge)
    assert awards(database) == []
    assert rows(database, models.LeaderboardEntry) == []
    assert [row.settled_at is None for row in rows(database, models.Tournament)] == [False]
    assert sorted(row.rank for row in rows(database, models.Rank)) == [1, 2]


def test_the_same_value_was_reached_first_by_who_closed_before_the_end(
    database: Database, bridge: OctoBotBridge
) -> None:
    users = people(database, NAMES[:2])
    made = tournament(database, users[0], prize_pool=Decimal(0))
    late, early = everybody = players(database, made, users)
    standings = [Standing.opening(each.id, START, clock.now() - timedelta(hours=1)) for each in everybody]
    standings[0].observe(Decimal(11_000), clock.now() - timedelta(minutes=10))
    standings[1].observe(Decimal(10_500), clock.now() - timedelta(minutes=10))
    stand(database, made, standings)
    end(database, made, {late.id: Decimal(10_500), early.id: Decimal(10_500)})
    with database.write() as session:  # equal drawdowns: time decides
        session.execute(update(models.Rank).values(peak=Decimal(10_500), max_drawdown=Decimal(0)))
    settle(database, bridge)
    ranks = sorted(rows(database, models.Rank), key=lambda row: row.rank)
    assert [row.participant_id for row in ranks] == [early.id, late.id]
    assert awards(database) == []


def test_nothing_is_reached_after_the_end(database: Database, bridge: OctoBotBridge) -> None:
    users = people(database, NAMES[:2])
    made = tournament(database, users[0], prize_pool=Decimal(0))
    first, second = everybody = players(database, made, users)
    standings = [Standing.opening(each.id, START, clock.now() - timedelta(hours=1)) for each in everybody]
    standings[0].observe(Decimal(10_500), clock.now() + timedelta(hours=1))  # the engine saw it closed, a moment late
    stand(database, made, standings)
    end(database, made, {first.id: Decimal(10_500), second.id: Decimal(10_500)})
    settle(database, bridge)
    ranks = sorted(rows(database, models.Rank), key=lambda row: row.rank)
    assert [row.participant_id for row in ranks] == [first.id, second.id]  # who joined first
    [row] = rows(database, models.Tournament)
    assert {rank.reached_at for rank in ranks} == {row.ends_at}


def test_who_looked_before_it_was_settled_adds_nothing(
    database: Database, bridge: OctoBotBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = cup(database)
    settling = prizes.Prizes(database, bridge)
    [run] = jobs.Jobs(database).take("test", {prizes.JOB: 1}, timedelta(seconds=60))
    seen = settling._tournament(made)
    settling.settle(run)
    monkeypatch.setattr(settling, "_tournament", lambda _id: seen)
    settling.settle(run)
    assert sum(amount for _, _, amount, _ in awards(database)) == 1000
    assert len([row for row in rows(database, models.AuditEntry) if row.action == "tournament.settled"]) == 1


def test_it_waits_for_the_engine_and_for_every_account(database: Database, bridge: OctoBotBridge) -> None:
    made, everybody = cup(database)
    away = OctoBotBridge(_Away())
    with pytest.raises(EngineUnavailable):
        settle(database, away)
    with database.write() as session:
        row = models.Participant
        session.execute(update(row).where(row.id == everybody[3].id).values(final_value=None))
    with pytest.raises(Conflict) as open_account:
        settle(database, bridge)
    assert open_account.value.code == "tournament_not_closed"
    assert awards(database) == []
    assert [row.settled_at for row in rows(database, models.Tournament)] == [None]
    end(database, made, {everybody[3].id: VALUES[3]})  # wanting it again is the same job
    settle(database, bridge)
    assert sum(amount for _, _, amount, _ in awards(database)) == 1000


def test_all_time_entries_are_products_of_all_tournaments(database: Database, bridge: OctoBotBridge) -> None:
    users = people(database, NAMES[:2])
    for values in ((11_000, 12_000), (12_000, 5_000)):
        made = tournament(database, users[0])
        everybody = players(database, made, users)
        for player in everybody:
            trade(database, player, "10", "1")
        end(database, made, {each.id: Decimal(value) for each, value in zip(everybody, values, strict=True)})
        settle(database, bridge)
    cancelled = tournament(database, users[0])
    players(database, cancelled, users)
    set_status(database, cancelled, "cancelled")
    first, second = (_entry(database, user) for user in users)
    assert (first.tournaments, first.wins, first.podiums, first.trades) == (2, 1, 2, 2)
    assert (first.growth, first.score, first.max_drawdown) == (Decimal("1.32"), -320_000, 0)
    assert (second.growth, second.score, second.depth) == (Decimal("0.6"), 400_000, 500_000)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("UPDATE tournament_ranks SET rank = 9 - rank WHERE rank > 1", "rank"),
        ("UPDATE tournament_ranks SET value = '12345' WHERE rank = 3", "rank_value"),
        ("DELETE FROM tournament_ranks WHERE rank = 3", "rank_value"),
        ("UPDATE tournament_ranks SET trades = 7 WHERE rank = 3", "rank_trades"),
        ("UPDATE tournament_awards SET amount = '499.99' WHERE place = 1", "prizes"),
        ("DELETE FROM tournament_awards", "prizes"),
        ("UPDATE tournaments SET settled_at = NULL", "prizes"),
    ],
)
def test_verification_finds_what_a_settlement_cannot_have_left(
    database: Database, bridge: OctoBotBridge, fault: str, check: str
) -> None:
    cup(database)
    settle(database, bridge)
    assert _checked(database) == set()
    with database.write() as session:
        session.execute(text(fault))
    assert _checked(database) == {check}


def _checked(database: Database) -> set[str]:
    tournaments = verification.tournaments
    checks = (tournaments.ranks, tournaments.trades, tournaments.prizes)
    with database.snapshot() as connection:
        return {difference.check for each in checks for difference in each(connection)}


def _entry(database: Database, user: str) -> Any:
    with database.read() as connection:
        query = select(models.LeaderboardEntry.__table__).where(models.LeaderboardEntry.user_id == user)
        return connection.execute(query).one()


class _Away:
    """An engine that cannot be reached."""

    def call(self, _request: object, _deadline: float) -> Any:
        raise EngineUnavailable("The engine is away.")

    def stream(self, _request: object) -> Iterator[Any]:
        raise EngineUnavailable("The engine is away.")


def test_an_all_time_entry_that_was_reckoned_first_is_not_written_last(
    database: Database, bridge: OctoBotBridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    [user] = people(database, NAMES[:1])
    cups = [tournament(database, user) for _ in range(2)]
    for made in cups:
        [player] = players(database, made, [user])
        trade(database, player, "10", "1")
        end(database, made, {player.id: Decimal(12_000)})
    queue, settling = jobs.Jobs(database), prizes.Prizes(database, bridge)
    first, second = queue.take("test", {prizes.JOB: 2}, timedelta(seconds=60))
    other = threading.Thread(target=settling.settle, args=(second,))
    results = all_time._results

    def slow(connection: Connection, database: Database, users: list[str]) -> Any:
        found = results(connection, database, users)
        if threading.current_thread() is threading.main_thread():
            other.start()
            other.join(1.0)  # it either waits for this transaction, or is done long before
        return found

    monkeypatch.setattr(all_time, "_results", slow)
    settling.settle(first)
    other.join(30.0)
    assert not other.is_alive()
    assert _entry(database, user).tournaments == 2
