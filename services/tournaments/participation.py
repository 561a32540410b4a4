"""Taking part in tournaments: joining with an account of one's own, in a team where there are teams, and leaving."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit, jobs
from services.audit import Origin
from services.idempotency import Claim, Idempotency
from services.notifications.notifications import notify
from services.principals import Principal
from services.tournaments import news
from services.tournaments.moves import count, lock, wrong_state
from services.tournaments.rules import hashed, refused
from services.tournaments.tournaments import Team, not_found, teams_of
from utils import clock, ids
from utils.errors import Conflict, FieldError, NotFound
from utils.wire import Message

JOIN = "POST /api/tournaments/{tournament_id}/join"
MAKE_TEAM = "POST /api/tournaments/{tournament_id}/teams"
JOIN_TEAM = "POST /api/tournaments/teams/{team_id}/join"
ARCHIVE = "tournament.archive"
"""The job that archives the account of somebody who left."""
NAME_LENGTH = 64
_ENTRY = models.Participant


class Entry(Message, frozen=True, kw_only=True):
    """That a user takes part: with which account, and in which team."""

    tournament: str
    account: str
    team: str | None


class Left(Message, frozen=True, kw_only=True):
    """That a user does not take part any more; the account they had is archived."""

    tournament: str
    account: str


class Participation:
    """Let users join and leave. A tournament that the caller may not see does not exist: `NotFound`.

    Methods that join raise `Conflict`: `registration_closed`, `already_joined`, `tournament_full`, `team_full`, and
    `Refused`: `account_too_young`, or a team that is missing or does not fit. A repeated `key` gets the first outcome.
    """

    def __init__(self, database: Database, idempotency: Idempotency) -> None:
        self._database = database
        self._idempotency = idempotency

    def join(
        self,
        principal: Principal,
        origin: Origin,
        tournament_id: str,
        *,
        code: str | None = None,
        team: str | None = None,
        key: str | None = None,
    ) -> Entry:
        """Take part in a tournament, in a team that is there where there are teams."""

        def write(session: Session) -> Entry:
            row = _enterable(session, principal, tournament_id, code)
            if row.type == "team" and team is None:
                raise refused("team", "required", "Join one of its teams, or make one.")
            if row.type == "solo" and team is not None:
                raise refused("team", "not_applicable", "There are no teams in this tournament.")
            return _enter(session, principal, origin, row, team)

        return self._idempotency.once(Claim.of(principal, key, JOIN, (tournament_id, code, team)), Entry, write)

    def make_team(
        self,
        principal: Principal,
        origin: Origin,
        tournament_id: str,
        *,
        name: str,
        code: str | None = None,
        key: str | None = None,
    ) -> Team:
        """Make a team and be the first in it. :raises Conflict: `team_name_taken`."""

        def write(session: Session) -> Team:
            row = _enterable(session, principal, tournament_id, code)
            if row.type != "team":
                raise Conflict("There are no teams in this tournament.", code="tournament_without_teams")
            team = models.Team
            taken = select(team.id).where(team.tournament_id == row.id, team.name_key == name_key(name))
            if session.execute(taken).first() is not None:
                error = FieldError(field="name", code="team_name_taken", message="Another team has this name.")
                raise Conflict("Another team has this name.", code="team_name_taken", errors=(error,))
            made = {"id": ids.new_id(), "tournament_id": row.id, "captain_id": principal.user_id}
            named = {"name": name, "name_key": name_key(name), "created_at": clock.now()}
            session.execute(insert(team).values(**made, **named))
            _enter(session, principal, origin, row, made["id"])
            return Team(**session.execute(teams_of(principal).where(team.id == made["id"])).one()._mapping)

        return self._idempotency.once(Claim.of(principal, key, MAKE_TEAM, (tournament_id, name, code)), Team, write)

    def join_team(
        self, principal: Principal, origin: Origin, team_id: str, *, code: str | None = None, key: str | None = None
    ) -> Entry:
        """Take part in a tournament in one of its teams."""

        def write(session: Session) -> Entry:
            row = _enterable(session, principal, _tournament_of(session, team_id), code)
            return _enter(session, principal, origin, row, team_id)

        return self._idempotency.once(Claim.of(principal, key, JOIN_TEAM, (team_id, code)), Entry, write)

    def leave(self, principal: Principal, origin: Origin, tournament_id: str) -> Left:
        """Take part no more, before the start. :raises Conflict: `tournament_<status>`, `not_joined`."""
        with self._database.write() as session:
            return _leave(session, principal, origin, tournament_id, None)

    def leave_team(self, principal: Principal, origin: Origin, team_id: str) -> Left:
        """Leave a team and its tournament, before the start. :raises Conflict: as `leave`; not in this team."""
        with self._database.write() as session:
            return _leave(session, principal, origin, _tournament_of(session, team_id), team_id)


def _enterable(session: Session, principal: Principal, tournament_id: str, code: str | None) -> Any:
    """Return the locked row of a tournament that the caller may join now."""
    row = lock(session, tournament_id)
    if row is None or (row.status == "draft" and not principal.is_admin):
        raise not_found()
    mine = (_ENTRY.tournament_id == row.id, _ENTRY.user_id == principal.user_id)
    joined = count(session, *mine)
    if row.visibility == "private" and not joined and not _knows(code, row.join_code_hash):
        raise not_found()
    if joined:
        raise Conflict("You take part already.", code="already_joined")
    now = clock.now()
    if row.status != "registration" or now >= row.registration_ends_at:
        raise Conflict("Registration is not open.", code="registration_closed")
    if row.max_participants is not None and count(session, mine[0]) >= row.max_participants:
        raise Conflict("The tournament is full.", code="tournament_full")
    since = session.execute(select(models.User.created_at).where(models.User.id == principal.user_id)).scalar_one()
    if now - since < timedelta(days=row.min_account_age_days):
        detail = f"Take part when you have been here for {row.min_account_age_days} days."
        raise Conflict(detail, code="account_too_young")
    return row


def _knows(code: str | None, digest: str | None) -> bool:
    return code is not None and digest is not None and hmac.compare_digest(hashed(code) or "", digest)


def _enter(session: Session, principal: Principal, origin: Origin, row: Any, team_id: str | None) -> Entry:
    """Open an account and let its owner take part with it."""
    team = None if team_id is None else _enterable_team(session, row, team_id)
    now, account_id = clock.now(), ids.new_id()
    account: dict[str, Any] = {"id": account_id, "user_id": principal.user_id, "name": row.name[:NAME_LENGTH]}
    account |= {"mode": "paper", "kind": "tournament", "exchange": row.exchange, "type": row.account_type}
    account |= {"reference_currency": row.currency, "starting_balance": row.starting_balance, "status": "active"}
    session.execute(insert(models.Account).values(**account, created_at=now, updated_at=now))
    entry = {"id": ids.new_id(), "tournament_id": row.id, "user_id": principal.user_id, "account_id": account_id}
    session.execute(insert(_ENTRY).values(**entry, team_id=team_id, joined_at=now))
    audit.record(session, origin, "tournament.joined", user_id=principal.user_id, target=row.id)
    notify(session, principal.user_id, news.joined(row, account_id, team))
    return Entry(tournament=row.id, account=account_id, team=team_id)


def _enterable_team(session: Session, row: Any, team_id: str) -> Any:
    """Return the row of a team in which there is room."""
    team = models.Team
    known = select(team.id, team.name).where(team.id == team_id, team.tournament_id == row.id)
    found = session.execute(known).one_or_none()
    if found is None:
        raise _no_team()
    if row.max_team_size is not None and count(session, _ENTRY.team_id == team_id) >= row.max_team_size:
        raise Conflict("The team is full.", code="team_full")
    return found


def _tournament_of(session: Session, team_id: str) -> str:
    found = session.execute(select(models.Team.tournament_id).where(models.Team.id == team_id)).scalar()
    if found is None:
        raise _no_team()
    return found


def _leave(session: Session, principal: Principal, origin: Origin, tournament_id: str, team_id: str | None) -> Left:
    row = lock(session, tournament_id)
    query = select(_ENTRY.id, _ENTRY.account_id, _ENTRY.team_id)
    query = query.where(_ENTRY.tournament_id == tournament_id, _ENTRY.user_id == principal.user_id)
    entry = session.execute(query).one_or_none()
    if row is None or (entry is None and (row.visibility == "private" or row.status == "draft")):
        raise not_found()
    if entry is None or team_id not in {None, entry.team_id}:
        raise Conflict("You do not take part.", code="not_joined")
    if row.status != "registration":
        raise wrong_state(row.status)
    _forget(session, entry)
    jobs.add(session, ARCHIVE, {"account": entry.account_id, "user": principal.user_id})
    audit.record(session, origin, "tournament.left", user_id=principal.user_id, target=tournament_id)
    return Left(tournament=tournament_id, account=entry.account_id)


def leave_all(session: Session, user_id: str) -> None:
    """Let a user take part no more in what has not started; their accounts are seen to elsewhere."""
    row = models.Tournament
    theirs = select(row.id).join(_ENTRY, _ENTRY.tournament_id == row.id).where(_ENTRY.user_id == user_id)
    ahead = theirs.where(row.status == "registration").order_by(row.id)
    for tournament_id in session.execute(ahead).scalars().all():
        # it may have started, and others may have come into the team, before it was locked
        locked = lock(session, tournament_id)
        query = select(_ENTRY.id, _ENTRY.team_id)
        query = query.where(_ENTRY.tournament_id == tournament_id, _ENTRY.user_id == user_id)
        entry = session.execute(query).one_or_none()
        if entry is not None and locked.status == "registration":
            _forget(session, entry)


def _forget(session: Session, entry: Any) -> None:
    """Delete a participant, and their team when nobody is left; else somebody else is its captain then."""
    session.execute(delete(_ENTRY).where(_ENTRY.id == entry.id))
    if entry.team_id is None:
        return
    team = models.Team
    others = select(_ENTRY.user_id).where(_ENTRY.team_id == entry.team_id).order_by(_ENTRY.joined_at, _ENTRY.id)
    captain = session.execute(others.limit(1)).scalar()
    if captain is None:
        session.execute(delete(team).where(team.id == entry.team_id))
    else:
        session.execute(update(team).where(team.id == entry.team_id).values(captain_id=captain))


def name_key(name: str) -> str:
    """Return what two names share that are read as the same: in any case, wide or narrow, composed or not."""
    key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    # a letter can become eighteen
    return key if len(key) <= NAME_LENGTH else hashlib.sha256(key.encode()).hexdigest()


def _no_team() -> NotFound:
    return NotFound("There is no such team.", code="team_not_found")
