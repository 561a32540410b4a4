"""Checks of settled tournaments: ranks are those of the final values and own trades, and prizes sum to the pool."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select

from models import Award, Order, Participant, Rank, TeamRank, Tournament, Trade
from models.standings import standing_of
from services.tournaments import prize_rules
from services.verification.difference import Difference
from utils.money import ZERO, plain
from utils.standings import Standing, ranked
from utils.wire import CLOSING


def ranks(connection: Connection) -> Iterator[Difference]:
    """Check that ranks of settled tournaments follow from the final values, the best first, no rank twice."""
    query = (
        select(Participant.id, Participant.account_id, Participant.final_value, Rank.__table__)
        .add_columns(Tournament.id.label("tournament"), Tournament.starting_balance)
        .join(Tournament, Tournament.id == Participant.tournament_id)
        .join(Rank, Rank.participant_id == Participant.id, isouter=True)
        .where(Tournament.settled_at.is_not(None))
        .order_by(Tournament.id)
    )
    for tournament, group in groupby(connection.execute(query), lambda row: row.tournament):
        rows: list[Any] = list(group)
        standings: dict[str, Standing] = {}
        for row in rows:
            if row.participant_id is None or row.value != row.final_value:
                told = f"ended with {_plain(row.final_value)}, but is ranked with {_plain(row.value)}"
                yield _difference("rank_value", row, tournament, told)
            else:
                standings[row.id] = standing_of(row, row.id, row.starting_balance)
        if len(standings) == len(rows):
            before = {row.id: row.rank for row in rows}
            ordered = ranked(standings.values())
            wrong = {each.id: each.rank for each in ordered if each.rank != before[each.id]}
            for row in rows:
                if row.id in wrong:
                    yield _difference("rank", row, tournament, f"has rank {row.rank}, but would have {wrong[row.id]}")


def trades(connection: Connection) -> Iterator[Difference]:
    """Check that everybody in a settled tournament has so many trades as they made themselves."""
    own = (
        select(func.count())
        .select_from(Trade)
        .join(Order, Order.id == Trade.order_id)
        .where(Trade.account_id == Participant.account_id, ~Order.client_order_id.startswith(CLOSING))
        .scalar_subquery()
    )
    query = (
        select(Participant.id, Participant.account_id, Rank.trades, own.label("own"), Tournament.id.label("tournament"))
        .join(Rank, Rank.participant_id == Participant.id)
        .join(Tournament, Tournament.id == Participant.tournament_id)
        .where(Tournament.settled_at.is_not(None), Rank.trades != own)
        .order_by(Tournament.id, Participant.id)
    )
    for row in connection.execute(query):
        yield _difference("rank_trades", row, row.tournament, f"is ranked with {row.trades} trades, but made {row.own}")


def prizes(connection: Connection) -> Iterator[Difference]:
    """Check that the prizes of a settled tournament sum to its pool, unless nobody may win; there are none before."""
    columns = (Tournament.id, Tournament.type, Tournament.prize_pool, Tournament.prize_rules, Tournament.settled_at)
    won = select(Award.amount).order_by(Award.id)
    for row in connection.execute(select(*columns).order_by(Tournament.id)).all():
        total = sum(connection.execute(won.where(Award.tournament_id == row.id)).scalars(), ZERO)
        expected = row.prize_pool if row.settled_at is not None and (total or _may_be_won(connection, row)) else ZERO
        if total != expected:
            told = f"prizes of {plain(total)} from a pool of {plain(expected)}"
            yield Difference(check="prizes", account=None, subject=f"tournament {row.id}", detail=told)


def _may_be_won(connection: Connection, tournament: Any) -> bool:
    """Tell whether anybody, or a team together, traded enough."""
    table: type[Rank | TeamRank] = TeamRank if tournament.type == "team" else Rank
    fewest = prize_rules.decode(tournament.prize_rules).min_trades
    enough = select(table.rank).where(table.tournament_id == tournament.id, table.trades >= fewest)
    return connection.execute(enough.limit(1)).first() is not None


def _difference(check: str, row: Any, tournament: str, told: str) -> Difference:
    return Difference(check=check, account=row.account_id, subject=f"participant {row.id} of {tournament}", detail=told)


def _plain(value: Decimal | None) -> str:
    return "nothing" if value is None else plain(value)
