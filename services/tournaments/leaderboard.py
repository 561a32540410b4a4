"""The public all-time leaderboard: those who want to be on it, by their return over all settled tournaments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

import models
from models import Database
from services.principals import Principal
from utils.errors import NotFound
from utils.money import ONE, percent
from utils.pages import Cursor, Page, unreadable_cursor
from utils.wire import Message

_ROW, _USER = models.LeaderboardEntry, models.User
MOST_DIGITS = 9


class Leader(Message, frozen=True, kw_only=True):
    """A row: `user` is the name they go by; `return_percent` is the product of the returns of their tournaments.

    `wins` and `podiums` are first and first three ranks, of the team where there was one.
    """

    rank: int
    user: str
    avatar_url: str | None
    return_percent: Decimal
    max_drawdown: Decimal
    tournaments: int
    wins: int
    podiums: int
    trades: int
    reached_at: datetime


class Leaderboard:
    """Show who has done best."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, *, limit: int, cursor: Cursor | None = None) -> Page[Leader]:
        """Return a page, the best first."""
        place = _place(cursor)
        query = _shown().order_by(_ROW.score, _ROW.depth, _ROW.reached_at, _ROW.user_id)
        with self._database.read() as connection:
            rows = connection.execute(query.offset(place).limit(limit + 1)).all()
        leaders = [_leader(row, rank) for rank, row in enumerate(rows[:limit], start=place + 1)]
        following = None
        if len(rows) > limit:
            following = Cursor(leaders[-1].reached_at, str(leaders[-1].rank)).encode()
        return Page(leaders, limit, following)

    def own(self, principal: Principal) -> Leader:
        """Return the caller's row. :raises NotFound: `not_on_leaderboard`: they do not want to be, or never played."""
        with self._database.read() as connection:
            mine = connection.execute(_shown().where(_ROW.user_id == principal.user_id)).first()
            if mine is None:
                detail = "Opt in with leaderboard_opt_in of your profile, and trade in a tournament."
                raise NotFound(detail, code="not_on_leaderboard")
            better = connection.execute(_before(mine)).scalar_one()
        return _leader(mine, better + 1)


def _shown() -> Select[Any]:
    """Return the query of those who want to be seen, and who still are."""
    name = func.coalesce(_USER.display_name, _USER.username).label("user")
    query = select(_ROW.__table__, name, _USER.avatar_url).join(_USER, _USER.id == _ROW.user_id)
    return query.where(_USER.leaderboard_opt_in, _USER.is_active, _USER.deleted_at.is_(None))


def _before(mine: Any) -> Select[Any]:
    """Return the query of how many are better."""
    same_score = _ROW.score == mine.score
    same_depth = and_(same_score, _ROW.depth == mine.depth)
    same_time = and_(same_depth, _ROW.reached_at == mine.reached_at)
    better = or_(
        _ROW.score < mine.score,
        and_(same_score, _ROW.depth < mine.depth),
        and_(same_depth, _ROW.reached_at < mine.reached_at),
        and_(same_time, _ROW.user_id < mine.user_id),
    )
    return select(func.count()).select_from(_shown().where(better).subquery())


def _leader(row: Any, rank: int) -> Leader:
    return Leader(
        rank=rank,
        user=row.user,
        avatar_url=row.avatar_url,
        return_percent=percent(row.growth - ONE),
        max_drawdown=row.max_drawdown,
        tournaments=row.tournaments,
        wins=row.wins,
        podiums=row.podiums,
        trades=row.trades,
        reached_at=row.reached_at,
    )


def _place(cursor: Cursor | None) -> int:
    if cursor is None:
        return 0
    if not cursor.id.isascii() or not cursor.id.isdigit() or len(cursor.id) > MOST_DIGITS:
        raise unreadable_cursor()
    return int(cursor.id)
