"""What rankings read from SQL and write to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any, NamedTuple

from sqlalchemy import func, select, update

from models import Database, Participant, PastRank, Rank, TeamRank, Tournament
from models.standings import ROWS_AT_ONCE, CountedTrade, put_standings, standing_of, trades_after
from utils.standings import Standing
from utils.wire import RankRow


class Running(NamedTuple):
    """A tournament that runs, and how many take part."""

    id: str
    currency: str
    starting_balance: Decimal
    starts_at: datetime
    ends_at: datetime
    participants: int


class Entry(NamedTuple):
    """Somebody who takes part, and how they stood when that was last stored."""

    account_id: str
    team_id: str | None
    standing: Standing


class RankingRecords:
    """Read and write for `Rankings`; every method blocks and belongs on a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def running(self) -> list[Running]:
        """Return the tournaments that run."""
        count = select(func.count()).where(Participant.tournament_id == Tournament.id).scalar_subquery()
        query = select(
            Tournament.id,
            Tournament.currency,
            Tournament.starting_balance,
            Tournament.starts_at,
            Tournament.ends_at,
            count,
        ).where(Tournament.status == "running")
        with self._database.read() as connection:
            return [Running(*row) for row in connection.execute(query)]

    def entries(self, tournament: Running) -> list[Entry]:
        """Return everybody who takes part; who was never ranked has done nothing yet."""
        start = tournament.starting_balance
        query = (
            select(Participant.id, Participant.account_id, Participant.team_id.label("team"), Rank.__table__)
            .join(Rank, Rank.participant_id == Participant.id, isouter=True)
            .where(Participant.tournament_id == tournament.id)
        )
        with self._database.read() as connection:
            return [
                Entry(
                    row.account_id,
                    row.team,
                    standing_of(row, row.id, start)
                    if row.participant_id
                    else Standing.opening(row.id, start, tournament.starts_at),
                )
                for row in connection.execute(query)
            ]

    def teams(self, tournament: Running, sizes: Mapping[str, int]) -> dict[str, Standing]:
        """Return how teams of so many members stood when that was last stored."""
        query = select(TeamRank.__table__).where(TeamRank.tournament_id == tournament.id)
        with self._database.read() as connection:
            return {
                row.team_id: standing_of(row, row.team_id, tournament.starting_balance * sizes[row.team_id])
                for row in connection.execute(query)
                if row.team_id in sizes
            }

    def trades(self, currency: str, counted: Mapping[str, str | None]) -> list[CountedTrade]:
        """Return the trades of accounts that came after those that were counted."""
        with self._database.read() as connection:
            return list(trades_after(connection, self._database, currency, counted))

    def newest_past(self, tournament_id: str) -> datetime | None:
        """Return the moment of the newest past ranks."""
        query = select(func.max(PastRank.at)).where(PastRank.tournament_id == tournament_id)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def store(self, tournament_id: str, participants: list[Standing], teams: list[Standing], at: datetime) -> None:
        """Store how they stood at a moment, some hundred in a transaction: others write in between."""
        for table, standings in ((Rank, participants), (TeamRank, teams)):
            for part in batched(standings, ROWS_AT_ONCE):
                with self._database.writing() as connection:
                    put_standings(connection, self._database, table, tournament_id, part)
        with self._database.writing() as connection:
            connection.execute(update(Tournament).where(Tournament.id == tournament_id).values(ranked_at=at))

    def add_past(self, tournament_id: str, rows: list[RankRow], at: datetime) -> None:
        """Add the ranks of a moment to the past, none of them twice."""
        statement = self._database.insert(PastRank).on_conflict_do_nothing()
        for part in batched(rows, ROWS_AT_ONCE):
            past: list[dict[str, Any]] = [
                {"participant_id": row.id, "at": at, "tournament_id": tournament_id, "rank": row.rank}
                | {"value": row.value}
                for row in part
            ]
            with self._database.writing() as connection:
                connection.execute(statement, past)
