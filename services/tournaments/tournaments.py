"""Tournaments as users see them: what there is to join, and what they are in."""

from __future__ import annotations

import builtins
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

import models
from models import Database
from services.paging import newest_first, oldest_first
from services.principals import Principal
from services.tournaments import prize_rules
from services.tournaments.moves import Status
from services.tournaments.prize_rules import PrizeRules
from utils.errors import NotFound
from utils.pages import Cursor, Page
from utils.wire import AccountType, Message

Type = Literal["solo", "team"]
Visibility = Literal["public", "private"]
_ROW = models.Tournament
_ENTRY = models.Participant
_ALL = aliased(models.Participant)


class Tournament(Message, frozen=True, kw_only=True):
    """A tournament; `participants` is how many take part, `account` and `team` are the caller's when they do.

    `rules` is a text for people. `registration_starts_at` is None while a draft waits for an administrator to open it.
    """

    id: str
    name: str
    description: str
    rules: str
    type: Type
    status: Status
    status_reason: str | None
    visibility: Visibility
    exchange: str
    account_type: AccountType
    currency: str
    starting_balance: Decimal
    symbols: list[str]
    max_leverage: Decimal | None
    prize_pool: Decimal
    prize_rules: PrizeRules
    min_participants: int
    max_participants: int | None
    max_team_size: int | None
    min_account_age_days: int
    participants: int
    registration_starts_at: datetime | None
    registration_ends_at: datetime
    starts_at: datetime
    ends_at: datetime
    finished_at: datetime | None
    account: str | None
    team: str | None
    created_at: datetime
    updated_at: datetime


class Team(Message, frozen=True, kw_only=True):
    """A team; who is in it is told in rankings alone. `is_mine` tells whether the caller is."""

    id: str
    tournament: str
    name: str
    members: int
    is_mine: bool
    created_at: datetime


class Tournaments:
    """Show tournaments. Whoever may not see one does not get to know that it exists: `NotFound`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self,
        principal: Principal,
        *,
        limit: int,
        cursor: Cursor | None = None,
        status: Status | None = None,
        joined: bool = False,
    ) -> Page[Tournament]:
        """Return a page of the tournaments that the caller may see, newest first; with `joined` those they are in."""
        query = shown(principal)
        if status is not None:
            query = query.where(_ROW.status == status)
        if joined:
            query = query.where(_ENTRY.id.is_not(None))
        query = newest_first(query, _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([tournament_of(row) for row in rows], limit)

    def visible(self, principal: Principal, tournament_id: str) -> Tournament:
        """Return a tournament that the caller may see. :raises NotFound: `tournament_not_found`."""
        with self._database.read() as connection:
            row = connection.execute(shown(principal).where(_ROW.id == tournament_id)).first()
        if row is None:
            raise not_found()
        return tournament_of(row)

    def teams(
        self, principal: Principal, tournament_id: str, *, limit: int, cursor: Cursor | None = None
    ) -> Page[Team]:
        """Return a page of a tournament's teams, oldest first. :raises NotFound: `tournament_not_found`."""
        self.visible(principal, tournament_id)
        team = models.Team
        query = teams_of(principal).where(team.tournament_id == tournament_id)
        query = oldest_first(query, team, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([Team(**row._mapping) for row in rows], limit)


def read(session: Session, principal: Principal, tournament_id: str) -> Tournament:
    """Return a tournament as the transaction of `session` left it."""
    return tournament_of(session.execute(shown(principal).where(_ROW.id == tournament_id)).one())


def shown(principal: Principal) -> Select[Any]:
    """Return the query of what the caller may see: what is public, or they are in; administrators see everything."""
    counted = select(func.count()).select_from(_ALL).where(_ALL.tournament_id == _ROW.id)
    query = select(
        *_ROW.__table__.columns,
        counted.scalar_subquery().label("participants"),
        _ENTRY.account_id.label("account"),
        _ENTRY.team_id.label("team"),
    )
    mine = and_(_ENTRY.tournament_id == _ROW.id, _ENTRY.user_id == principal.user_id)
    query = query.outerjoin(_ENTRY, mine)
    return query if principal.is_admin else query.where(_published(), or_(_ROW.visibility == "public", _is_in()))


def teams_of(principal: Principal) -> Select[Any]:
    """Return the query of teams with how many are in them."""
    team, entry = models.Team, models.Participant
    members = select(func.count()).select_from(entry).where(entry.team_id == team.id)
    mine = select(entry.id).where(entry.team_id == team.id, entry.user_id == principal.user_id).exists()
    return select(
        team.id,
        team.tournament_id.label("tournament"),
        team.name,
        members.scalar_subquery().label("members"),
        mine.label("is_mine"),
        team.created_at,
    )


def tournament_of(row: Any) -> Tournament:
    """Return the tournament that a row of `shown` holds."""
    named: builtins.list[str] = [
        field for field in Tournament.__struct_fields__ if field not in {"symbols", "prize_rules"}
    ]
    return Tournament(
        **{name: getattr(row, name) for name in named},
        symbols=msgspec.json.decode(row.symbols, type=list[str]),
        prize_rules=prize_rules.decode(row.prize_rules),
    )


def not_found() -> NotFound:
    """Return the error for a tournament that the caller may not see."""
    return NotFound("There is no such tournament.", code="tournament_not_found")


def _published() -> ColumnElement[bool]:
    return _ROW.status != "draft"


def _is_in() -> ColumnElement[bool]:
    return _ENTRY.id.is_not(None)
