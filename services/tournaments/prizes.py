"""The settlement of tournaments: a job that writes final ranks and prizes exactly once, wherever it is killed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import batched
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.orm import Session

import models
from models import Award, Database, PastRank, Rank, TeamRank, Tournament
from models.standings import ROWS_AT_ONCE, put_standings
from services import audit, jobs
from services.jobs import Handler, Run
from services.tournaments import all_time, news, settlement
from services.tournaments.settlement import Final
from utils import clock
from utils.errors import NotFound
from utils.octobot_bridge import OctoBotBridge
from utils.standings import Standing

JOB = "settle"


def want_settlement(session: Session, tournament_id: str) -> None:
    """Want the prizes of a tournament settled, in the transaction that ends it; wanting it again changes nothing."""
    jobs.add(session, JOB, {"tournament": tournament_id}, key=f"{JOB}:{tournament_id}")


class Prizes:
    """Settle tournaments."""

    def __init__(self, database: Database, bridge: OctoBotBridge) -> None:
        self._database = database
        self._bridge = bridge

    def handler(self) -> Handler:
        """Return how the jobs are done: an engine that is away for long only delays them."""
        return Handler(call=self.settle, seconds=600.0, at_once=1, attempts=1000, longest_delay=60.0)

    def settle(self, run: Run) -> None:
        """Write the final ranks, then in one transaction the prizes and that the tournament is settled.

        What comes before that transaction is the same whenever it is done again, and so is what comes after it.

        :raises Conflict: `tournament_not_closed`. :raises BridgeError: the engine is away, which may know of peaks that
            are not stored yet. :raises Interrupted: somebody else does it, or it has to wait.
        """
        tournament = self._tournament(run.payload["tournament"])
        if tournament.settled_at is None:
            self._bridge.store_ranking(tournament.id)
            ranking = settlement.final(self._database, tournament, run)
            self._put_ranks(run, tournament, ranking)
            self._put_prizes(run, tournament, ranking)
        self._put_all_time(run, tournament.id)

    def _tournament(self, tournament_id: str) -> Row[Any]:
        query = select(Tournament.__table__).where(Tournament.id == tournament_id)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("There is no such tournament.", code="tournament_not_found")
        return row

    def _put_ranks(self, run: Run, tournament: Row[Any], ranking: Final) -> None:
        tables: tuple[tuple[type[Rank | TeamRank], list[Standing]], ...] = (
            (Rank, ranking.participants),
            (TeamRank, ranking.teams),
        )
        for table, standings in tables:
            for part in batched(standings, ROWS_AT_ONCE):
                run.check()
                with self._database.write() as session:
                    run.hold(session)
                    put_standings(session.connection(), self._database, table, tournament.id, part)
                    if table is Rank:
                        self._put_past(session, tournament, part)

    def _put_past(self, session: Session, tournament: Row[Any], standings: Sequence[Standing]) -> None:
        """End the history of ranks with the final ones."""
        rows = [
            {"participant_id": each.id, "at": tournament.ends_at, "tournament_id": tournament.id}
            | {"rank": each.rank, "value": each.value}
            for each in standings
        ]
        statement = self._database.insert(PastRank)
        kept = {"rank": statement.excluded.rank, "value": statement.excluded.value}
        session.connection().execute(
            statement.on_conflict_do_update(index_elements=["participant_id", "at"], set_=kept), rows
        )

    def _put_prizes(self, run: Run, tournament: Row[Any], ranking: Final) -> None:
        rows, moment = settlement.awards(tournament, ranking), clock.now()
        unsettled = update(Tournament).where(Tournament.id == tournament.id, Tournament.settled_at.is_(None))
        with self._database.write() as session:
            run.hold(session)
            done = {"settled_at": moment, "ranked_at": tournament.ends_at}
            if session.execute(unsettled.values(done).returning(Tournament.id)).first() is None:
                return  # another run of this job did it all
            if rows:
                session.connection().execute(insert(Award), rows)
            news.want(session, tournament.id, "ended")
            told = {"participants": len(ranking.participants), "prizes": len(rows)}
            audit.record(session, audit.SYSTEM, "tournament.settled", user_id=None, target=tournament.id, detail=told)

    def _put_all_time(self, run: Run, tournament_id: str) -> None:
        query = select(models.Participant.user_id).where(models.Participant.tournament_id == tournament_id)
        with self._database.read() as connection:
            users = sorted(connection.execute(query).scalars())
        for part in batched(users, ROWS_AT_ONCE):
            run.check()
            with self._database.write() as session:
                run.hold(session)
                all_time.put_entries(session.connection(), self._database, part)
