"""Rankings of tournaments: the engine's while they run, the stored ones otherwise, with the names of who is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, func, select

import models
from models import Database
from services.principals import Principal
from services.tournaments.tournaments import not_found, shown
from utils import clock, json
from utils.errors import BridgeError, NotFound
from utils.octobot_bridge import OctoBotBridge
from utils.pages import Aged, Cursor, Page, unreadable_cursor
from utils.standings import return_percent, win_rate
from utils.wire import GetRanking, Message, Ranking, RankRow

ENGINE_SECONDS = 1.0
TOP = 25
"""Ranks that are streamed."""

_ROW, _TEAM_ROW, _ENTRY, _TEAM, _USER = models.Rank, models.TeamRank, models.Participant, models.Team, models.User
_TOURNAMENT = models.Tournament
_COLUMNS = (_TOURNAMENT.id, _TOURNAMENT.type, _TOURNAMENT.status, _TOURNAMENT.starting_balance, _TOURNAMENT.ranked_at)


class Placed(Message, frozen=True, kw_only=True):
    """What a row of a ranking tells of whoever it is about; `win_rate` is None before anything was closed."""

    rank: int
    return_percent: Decimal
    value: Decimal
    trades: int
    win_rate: Decimal | None
    volume: Decimal
    max_drawdown: Decimal


class RankedUser(Placed, frozen=True, kw_only=True):
    """A participant's row; `user` is the name they go by, `team` their team's."""

    participant: str
    user: str
    team: str | None


class RankedTeam(Placed, frozen=True, kw_only=True):
    """A team's row, of the money of all its members."""

    team: str
    name: str
    members: int


class Own(Message, frozen=True, kw_only=True):
    """How the caller stands among `participants`, and with which account; `team` is None without one."""

    account: str
    participants: int
    ranking: RankedUser
    team: RankedTeam | None
    as_of: datetime


class PastRank(Message, frozen=True, kw_only=True):
    """The rank that somebody had at a moment."""

    at: datetime
    rank: int
    value: Decimal
    return_percent: Decimal


class Snapshot(Message, frozen=True, kw_only=True):
    """What is streamed of a ranking: its first rows, of participants and of teams."""

    tournament: str
    status: str
    participants: int
    rankings: list[RankedUser]
    teams: list[RankedTeam]
    as_of: datetime


class Rankings:
    """Show rankings to whoever may see the tournament."""

    def __init__(self, database: Database, bridge: OctoBotBridge) -> None:
        self._database = database
        self._bridge = bridge.within(ENGINE_SECONDS)

    def page(
        self, principal: Principal, tournament_id: str, *, limit: int, cursor: Cursor | None = None
    ) -> Aged[Page[RankedUser]]:
        """Return a page of a ranking, the best first. :raises NotFound: `tournament_not_found`."""
        tournament = self._visible(principal, tournament_id)
        ranking, stale = self._part(tournament, after=_after(cursor), limit=limit)
        return Aged(_page(self._users(tournament, ranking.rows), ranking, limit), ranking.as_of, stale)

    def teams(
        self, principal: Principal, tournament_id: str, *, limit: int, cursor: Cursor | None = None
    ) -> Aged[Page[RankedTeam]]:
        """Return a page of the ranking of teams; nobody is in it where there are none."""
        tournament = self._visible(principal, tournament_id)
        ranking, stale = self._part(tournament, teams=True, after=_after(cursor), limit=limit)
        return Aged(_page(self._teams(tournament, ranking.rows), ranking, limit), ranking.as_of, stale)

    def own(self, principal: Principal, tournament_id: str) -> Own:
        """Return how the caller stands. :raises NotFound: `not_in_tournament`, or `not_ranked_yet` before the start."""
        tournament = self._visible(principal, tournament_id)
        mine = self._entry(tournament.id, _ENTRY.user_id == principal.user_id)
        ranking, _ = self._part(tournament, id=mine.id)
        teams = []
        if mine.team_id is not None:
            teams = self._teams(tournament, self._part(tournament, teams=True, id=mine.team_id)[0].rows)
        users = self._users(tournament, ranking.rows)
        if not users:
            raise NotFound("The tournament has no ranking yet.", code="not_ranked_yet")
        return Own(
            account=mine.account_id,
            participants=ranking.count,
            ranking=users[0],
            team=teams[0] if teams else None,
            as_of=ranking.as_of,
        )

    def history(self, principal: Principal, tournament_id: str, participant: str | None) -> list[PastRank]:
        """Return the ranks that a participant had, the caller for None, oldest first. :raises NotFound: no such one."""
        tournament = self._visible(principal, tournament_id)
        chosen = _ENTRY.user_id == principal.user_id if participant is None else _ENTRY.id == participant
        entry, past = self._entry(tournament.id, chosen), models.PastRank
        query = select(past.at, past.rank, past.value).where(past.participant_id == entry.id).order_by(past.at)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        start = tournament.starting_balance
        return [
            PastRank(at=row.at, rank=row.rank, value=row.value, return_percent=return_percent(row.value, start))
            for row in rows
        ]

    def check(self, user_id: str, tournament_id: str) -> None:
        """Let a user follow a ranking. :raises NotFound: `tournament_not_found`."""
        with self._database.read() as connection:
            role = connection.execute(select(_USER.role).where(_USER.id == user_id)).scalar() or "user"
        caller = Principal(user_id=user_id, username="", role=role, session_id="")
        self._visible(caller, tournament_id)

    def top(self, tournament_id: str) -> Snapshot:
        """Return the first rows, for everybody who follows them. :raises NotFound: `tournament_not_found`."""
        system = Principal(user_id="", username="", role="admin", session_id="")
        tournament = self._visible(system, tournament_id)
        ranking, _ = self._part(tournament, limit=TOP)
        teams = self._part(tournament, teams=True, limit=TOP)[0].rows if tournament.type == "team" else []
        return Snapshot(
            tournament=tournament.id,
            status=tournament.status,
            participants=ranking.count,
            rankings=self._users(tournament, ranking.rows),
            teams=self._teams(tournament, teams),
            as_of=ranking.as_of,
        )

    def _visible(self, principal: Principal, tournament_id: str) -> Any:
        """Return what is needed of a tournament that the caller may see; counting who is in it would take longest."""
        query = shown(principal).where(_TOURNAMENT.id == tournament_id).with_only_columns(*_COLUMNS)
        with self._database.read() as connection:
            row: Any = connection.execute(query).first()
        if row is None:
            raise not_found()
        return row

    def _part(
        self, tournament: Row[Any], *, teams: bool = False, after: int = 0, limit: int = 1, id: str | None = None
    ) -> tuple[Ranking, bool]:
        """Return a part of a ranking, and whether it is older than it should be."""
        if tournament.status != "running":
            return self._stored(tournament, teams, after, limit, id), False
        query = GetRanking(tournament=tournament.id, teams=teams, after=after, limit=limit, id=id)
        try:
            return self._bridge.ranking(query), False
        except (BridgeError, NotFound):
            # it is away, or has not come to this tournament yet
            return self._stored(tournament, teams, after, limit, id), True

    def _stored(self, tournament: Row[Any], teams: bool, after: int, limit: int, id: str | None) -> Ranking:
        table: type[models.Rank | models.TeamRank] = _TEAM_ROW if teams else _ROW
        key = _TEAM_ROW.team_id if teams else _ROW.participant_id
        mine = table.tournament_id == tournament.id
        wanted = key == id if id is not None else (table.rank > after) & (table.rank <= after + limit)
        query = select(table.__table__, key.label("id")).where(mine, wanted).order_by(table.rank)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            count = connection.execute(select(func.count()).select_from(table).where(mine)).scalar_one()
        return Ranking(rows=[_row(row) for row in rows], count=count, as_of=tournament.ranked_at or clock.now())

    def _users(self, tournament: Row[Any], rows: Sequence[RankRow]) -> list[RankedUser]:
        """Name participants; how they call themselves is read anew each time. Who is gone by now is left out."""
        query = (
            select(_ENTRY.id, func.coalesce(_USER.display_name, _USER.username).label("user"), _TEAM.name.label("team"))
            .join(_USER, _USER.id == _ENTRY.user_id)
            .join(_TEAM, _TEAM.id == _ENTRY.team_id, isouter=True)
        )
        with self._database.read() as connection:
            names = self._named(connection, query, _ENTRY.id, (row.id for row in rows))
        return [
            RankedUser(
                participant=row.id, user=names[row.id].user, team=names[row.id].team, **_placed(row, tournament, 1)
            )
            for row in rows
            if row.id in names
        ]

    def _teams(self, tournament: Row[Any], rows: Sequence[RankRow]) -> list[RankedTeam]:
        members = select(func.count()).select_from(_ENTRY).where(_ENTRY.team_id == _TEAM.id).scalar_subquery()
        query = select(_TEAM.id, _TEAM.name, members.label("members"))
        with self._database.read() as connection:
            names = self._named(connection, query, _TEAM.id, (row.id for row in rows))
        return [
            RankedTeam(
                team=row.id,
                name=names[row.id].name,
                members=names[row.id].members,
                **_placed(row, tournament, names[row.id].members),
            )
            for row in rows
            if row.id in names
        ]

    def _named(self, connection: Connection, query: Any, key: Any, ids: Iterable[str]) -> dict[str, Row[Any]]:
        given = self._database.texts("given")
        wanted = query.join(given, given.c.value == key)
        rows: Sequence[Any] = connection.execute(wanted, {"given": json.dumps(list(ids)).decode()}).all()
        return {row.id: row for row in rows}

    def _entry(self, tournament_id: str, condition: Any) -> Row[Any]:
        query = select(_ENTRY.__table__).where(_ENTRY.tournament_id == tournament_id, condition)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("This one does not take part.", code="not_in_tournament")
        return row


def _placed(row: RankRow, tournament: Row[Any], members: int) -> dict[str, Any]:
    return {
        "rank": row.rank,
        "return_percent": return_percent(row.value, tournament.starting_balance * members),
        "value": row.value,
        "trades": row.trades,
        "win_rate": win_rate(row.wins, row.losses),
        "volume": row.volume,
        "max_drawdown": row.max_drawdown,
    }


def _row(row: Row[Any]) -> RankRow:
    return RankRow(**{name: getattr(row, name) for name in RankRow.__struct_fields__})


def _after(cursor: Cursor | None) -> int:
    """Return the rank after which a page begins. :raises Malformed: the cursor is of another list."""
    if cursor is None:
        return 0
    if not cursor.id.isascii() or not cursor.id.isdigit() or len(cursor.id) > 9:
        raise unreadable_cursor()
    return int(cursor.id)


def _page[T: Placed](items: list[T], ranking: Ranking, limit: int) -> Page[T]:
    last = ranking.rows[-1].rank if ranking.rows else ranking.count
    following = Cursor(ranking.as_of, str(last)).encode() if last < ranking.count else None
    return Page(items, limit, following)
