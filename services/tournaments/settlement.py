"""What a tournament comes to when it is over: the final ranks, and who wins what. Reckoned from SQL alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from models import Database, Participant, Rank, TeamRank
from models.standings import ROWS_AT_ONCE, standing_of, trades_after
from services.jobs import Run
from services.tournaments import prize_rules
from utils import clock
from utils.errors import Conflict
from utils.ids import new_id
from utils.standings import Standing, Tally, ranked, together


class Final(NamedTuple):
    """How everybody, and every team, stands in the end, the best first; `entries` are participants by id."""

    participants: list[Standing]
    teams: list[Standing]
    entries: dict[str, Row[Any]]


def final(database: Database, tournament: Row[Any], run: Run) -> Final:
    """Return the final ranking.

    Values are what the accounts held when they were closed, and trades are counted from the first one. What only
    prices knew, peaks and drawdowns on the way, is what was stored last.

    :raises Conflict: `tournament_not_closed`. :raises Interrupted: see `Run.check`.
    """
    standings: dict[str, Standing] = {}
    entries: dict[str, Row[Any]] = {}
    with database.snapshot() as connection:
        for part in batched(_entries(connection, tournament.id), ROWS_AT_ONCE):
            run.check()
            standings |= _ended(connection, database, tournament, part)
            entries |= {entry.id: entry for entry in part}
        before = _teams(connection, tournament.id)
    members: dict[str, list[Standing]] = defaultdict(list)
    for entry in entries.values():
        if entry.team is not None:
            members[entry.team].append(standings[entry.id])
    teams = [_team(tournament, team, each, before.get(team)) for team, each in members.items()]
    return Final(ranked(standings.values()), ranked(teams), entries)


def awards(tournament: Row[Any], ranking: Final) -> list[dict[str, Any]]:
    """Return the rows of what is won; they sum to the pool, unless nobody may win."""
    rules, pool = prize_rules.decode(tournament.prize_rules), tournament.prize_pool
    is_for_teams = tournament.type == "team"
    winners = [
        each for each in (ranking.teams if is_for_teams else ranking.participants) if prize_rules.may_win(rules, each)
    ]
    rows = []
    for place, (winner, prize) in enumerate(
        zip(winners, prize_rules.by_place(rules, pool, len(winners)), strict=False), start=1
    ):
        if not is_for_teams:
            rows.append(_award(tournament, ranking.entries[winner.id], place, prize))
            continue
        members = [each for each in ranking.participants if ranking.entries[each.id].team == winner.id]
        parts = prize_rules.within_team(rules, prize, members, pool)
        rows += [
            _award(tournament, ranking.entries[member.id], place, part)
            for member, part in zip(members, parts, strict=True)
        ]
    return [row for row in rows if row["amount"]]


def _entries(connection: Connection, tournament_id: str) -> Iterator[Row[Any]]:
    query = (
        select(
            Participant.id,
            Participant.user_id,
            Participant.account_id,
            Participant.team_id.label("team"),
            Participant.final_value,
            Rank.__table__,
        )
        .join(Rank, Rank.participant_id == Participant.id, isouter=True)
        .where(Participant.tournament_id == tournament_id)
    )
    yield from connection.execute(query).all()


def _ended(
    connection: Connection, database: Database, tournament: Row[Any], entries: tuple[Row[Any], ...]
) -> dict[str, Standing]:
    """Return how some participants stand in the end, by id."""
    tallies = {entry.account_id: Tally() for entry in entries}
    for trade in trades_after(connection, database, tournament.currency, dict.fromkeys(tallies)):
        tallies[trade.account_id].count(trade.id, trade.volume, trade.gain)
    found = {}
    for entry in entries:
        if entry.final_value is None:
            raise Conflict("Not every account of the tournament is closed.", code="tournament_not_closed")
        start = tournament.starting_balance
        if entry.participant_id is None:
            standing = Standing.opening(entry.id, start, tournament.starts_at)
        else:
            standing = standing_of(entry, entry.id, start)
        found[entry.id] = _closed(standing, entry.final_value, tournament.ends_at)
        standing.tally = tallies[entry.account_id]
    return found


def _teams(connection: Connection, tournament_id: str) -> dict[str, Row[Any]]:
    query = select(TeamRank.__table__).where(TeamRank.tournament_id == tournament_id)
    return {row.team_id: row for row in connection.execute(query)}


def _team(tournament: Row[Any], team: str, members: list[Standing], before: Row[Any] | None) -> Standing:
    start = tournament.starting_balance * len(members)
    known = None if before is None else standing_of(before, team, start)
    last = known or Standing.opening(team, start, tournament.starts_at)
    ended = together(team, members, last, tournament.ends_at)
    return _closed(ended, ended.value, tournament.ends_at)


def _closed(standing: Standing, value: Decimal, at: datetime) -> Standing:
    """Note the final value; nothing was reached after the end, even if it was seen later."""
    standing.observe(value, at)
    standing.reached_at = min(standing.reached_at, at)
    return standing


def _award(tournament: Row[Any], entry: Row[Any], place: int, amount: Decimal) -> dict[str, Any]:
    moment = clock.now()
    return {
        "id": new_id(),
        "tournament_id": tournament.id,
        "participant_id": entry.id,
        "user_id": entry.user_id,
        "team_id": entry.team if tournament.type == "team" else None,
        "place": place,
        "amount": amount,
        "currency": tournament.currency,
        "status": "pending",
        "created_at": moment,
        "updated_at": moment,
    }
