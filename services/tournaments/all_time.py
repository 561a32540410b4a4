"""What users have reached in all settled tournaments, as rows that are recomputed from the final ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, func, select

from models import Database, LeaderboardEntry, Participant, Rank, TeamRank, Tournament, User
from utils.json import dumps
from utils.money import ONE, PLACES, percent

DIGITS = Decimal("1e-18")
"""Products of returns do not end; they are kept to this."""

MOST = 2**62
"""What a score is at most: more does not fit into its column."""

PODIUM = 3


def put_entries(connection: Connection, database: Database, users: Sequence[str]) -> None:
    """Compute the entries of users from every settled tournament in which they traded. Idempotent.

    Whoever does the same for one of them waits: what was read first must not be written last.
    """
    held = select(User.id).where(User.id.in_(users)).order_by(User.id).with_for_update(key_share=True)
    connection.execute(held).all()
    rows = [_entry(user, list(results)) for user, results in groupby(_results(connection, database, users), _user)]
    if rows:
        insert = database.insert(LeaderboardEntry)
        others = {name: insert.excluded[name] for name in rows[0] if name != "user_id"}
        connection.execute(insert.on_conflict_do_update(index_elements=["user_id"], set_=others), rows)


def _results(connection: Connection, database: Database, users: Sequence[str]) -> Iterable[Row[Any]]:
    """Return the final ranks of users, each user's in the order in which the tournaments were over."""
    given = database.texts("given")
    query = (
        select(
            Participant.user_id,
            func.coalesce(TeamRank.rank, Rank.rank).label("rank"),
            Rank.value,
            Rank.max_drawdown,
            Rank.trades,
            Tournament.starting_balance,
            Tournament.ends_at,
        )
        .select_from(given)
        .join(Participant, Participant.user_id == given.c.value)
        .join(Tournament, Tournament.id == Participant.tournament_id)
        .join(Rank, Rank.participant_id == Participant.id)
        .join(TeamRank, TeamRank.team_id == Participant.team_id, isouter=True)
        .where(Tournament.settled_at.is_not(None), Rank.trades > 0)
        .order_by(Participant.user_id, Tournament.ends_at, Tournament.id)
    )
    found: Sequence[Any] = connection.execute(query, {"given": dumps(list(users)).decode()}).all()
    return found


def _entry(user: str, results: Sequence[Row[Any]]) -> dict[str, Any]:
    growth, deepest = ONE, max(each.max_drawdown for each in results)
    for each in results:
        growth = (growth * each.value / each.starting_balance).quantize(DIGITS)
    return {
        "user_id": user,
        "tournaments": len(results),
        "wins": sum(each.rank == 1 for each in results),
        "podiums": sum(each.rank <= PODIUM for each in results),
        "growth": growth,
        "score": -min(int(percent(growth - ONE) / PLACES), MOST),
        "max_drawdown": deepest,
        "depth": min(int(deepest / PLACES), MOST),
        "trades": sum(each.trades for each in results),
        "reached_at": results[-1].ends_at,
    }


def _user(row: Row[Any]) -> str:
    user: str = row.user_id
    return user
