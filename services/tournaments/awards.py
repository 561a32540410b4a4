"""Prizes as records of what the operator pays: who won what, what has become of it, and the same as CSV."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.audit import Origin
from services.csv_lines import line
from services.notifications.notifications import notify
from services.paging import newest_first
from services.principals import Principal
from services.tournaments import news
from services.tournaments.tournaments import Tournaments
from utils import clock
from utils.errors import Conflict, FieldError, NotFound, Refused
from utils.pages import Cursor, Page
from utils.wire import Message

Status = Literal["pending", "processing", "paid", "failed"]
MOVES: dict[Status, frozenset[Status]] = {
    "pending": frozenset({"processing", "paid", "failed"}),
    "processing": frozenset({"paid", "failed"}),
    "failed": frozenset({"pending", "processing"}),
    "paid": frozenset(),
}
"""What may become of a prize: what is paid stays paid."""

_EVENTS: Mapping[Status, news.PrizeEvent] = {"paid": "prize_paid", "failed": "prize_failed"}
"""What winners are told of."""

COLUMNS = (
    *("id", "tournament", "tournament_name", "rank", "team", "user_id", "username", "email", "amount", "currency"),
    *("status", "reference", "note", "created_at", "updated_at"),
)
_ROW, _USER, _TEAM, _TOURNAMENT = models.Award, models.User, models.Team, models.Tournament


class Prize(Message, frozen=True, kw_only=True):
    """A prize as everybody sees it who sees the tournament; `user` is the name they go by, `rank` counts winners."""

    rank: int
    user: str
    team: str | None
    amount: Decimal
    currency: str
    status: Status


class OwnPrize(Message, frozen=True, kw_only=True):
    """A prize as its winner sees it; `reference` is the operator's for the payment."""

    id: str
    tournament: str
    tournament_name: str
    rank: int
    amount: Decimal
    currency: str
    status: Status
    reference: str | None
    created_at: datetime
    updated_at: datetime


class ManagedPrize(OwnPrize, frozen=True, kw_only=True):
    """A prize as administrators see it."""

    user_id: str
    username: str
    team: str | None
    note: str | None


@dataclass(frozen=True, kw_only=True)
class PrizeChanges:
    """What to note of a prize; None leaves things as they are."""

    status: Status | None = None
    reference: str | None = None
    note: str | None = None


class Awards:
    """Show prizes, and note what becomes of them."""

    def __init__(self, database: Database, tournaments: Tournaments) -> None:
        self._database = database
        self._tournaments = tournaments

    def list(self, principal: Principal, tournament_id: str) -> builtins.list[Prize]:
        """Return the prizes of a tournament, the best first; none before it is settled. :raises NotFound: no such."""
        self._tournaments.visible(principal, tournament_id)
        query = _query().where(_ROW.tournament_id == tournament_id)
        with self._database.read() as connection:
            return [_told(Prize, row) for row in connection.execute(query.order_by(_ROW.place, _ROW.id))]

    def own(self, principal: Principal, *, limit: int, cursor: Cursor | None = None) -> Page[OwnPrize]:
        """Return a page of what the caller has won, newest first."""
        query = _query().where(_ROW.user_id == principal.user_id)
        query = newest_first(query, _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([_told(OwnPrize, row) for row in rows], limit)

    def managed(self, tournament_id: str) -> builtins.list[ManagedPrize]:
        """Return the prizes of a tournament for administrators. :raises NotFound: `tournament_not_found`."""
        return [_told(ManagedPrize, row) for row in self._of(tournament_id)]

    def lines(self, tournament_id: str) -> Iterator[str]:
        """Return the prizes of a tournament as lines of CSV. :raises NotFound: `tournament_not_found`."""
        rows = self._of(tournament_id)
        return (line(cells) for cells in [COLUMNS, *([getattr(row, name) for name in COLUMNS] for row in rows)])

    def change(self, principal: Principal, origin: Origin, award_id: str, changes: PrizeChanges) -> ManagedPrize:
        """Note what has become of a prize.

        :raises NotFound: `prize_not_found`. :raises Conflict: `prize_<status>`: it does not lead to the wanted one.
        :raises Refused: `reference_required` for what is paid.
        """
        with self._database.write() as session:
            query = select(_ROW.status, _ROW.reference, _ROW.note).where(_ROW.id == award_id).with_for_update()
            before = session.execute(query).one_or_none()
            if before is None:
                raise NotFound("There is no such prize.", code="prize_not_found")
            after = {
                "status": _moved(before.status, changes.status),
                "reference": before.reference if changes.reference is None else changes.reference,
                "note": before.note if changes.note is None else changes.note,
            }
            if after["status"] == "paid" and not after["reference"]:
                raise _reference_required()
            values = {**after, "updated_at": clock.now()}
            session.execute(update(_ROW).where(_ROW.id == award_id).values(values))
            told = {"before": before.status, "after": after["status"], "reference": after["reference"]}
            audit.record(session, origin, "prize.changed", user_id=principal.user_id, target=award_id, detail=told)
            row = session.execute(_query().where(_ROW.id == award_id)).one()
            if row.status != before.status:
                _tell_winner(session, row)
            return _told(ManagedPrize, row)

    def _of(self, tournament_id: str) -> builtins.list[Any]:
        known = select(_TOURNAMENT.id).where(_TOURNAMENT.id == tournament_id)
        query = _query().where(_ROW.tournament_id == tournament_id).order_by(_ROW.place, _ROW.id)
        with self._database.read() as connection:
            if connection.execute(known).first() is None:
                raise NotFound("There is no such tournament.", code="tournament_not_found")
            return list(connection.execute(query))


def _query() -> Any:
    return (
        select(
            _ROW.id,
            _ROW.tournament_id.label("tournament"),
            _TOURNAMENT.name.label("tournament_name"),
            _ROW.place.label("rank"),
            func.coalesce(_USER.display_name, _USER.username).label("user"),
            _ROW.user_id,
            _USER.username,
            _USER.email,
            _USER.deleted_at,
            _TEAM.name.label("team"),
            *(_ROW.amount, _ROW.currency, _ROW.status, _ROW.reference, _ROW.note, _ROW.created_at, _ROW.updated_at),
        )
        .join(_TOURNAMENT, _TOURNAMENT.id == _ROW.tournament_id)
        .join(_USER, _USER.id == _ROW.user_id)
        .join(_TEAM, _TEAM.id == _ROW.team_id, isouter=True)
    )


def _told[T: Message](kind: type[T], row: Any) -> T:
    return kind(**{name: getattr(row, name) for name in kind.__struct_fields__})


def _tell_winner(session: Session, row: Any) -> None:
    """Tell whoever won a prize that it was paid, or could not be."""
    event = _EVENTS.get(row.status)
    if event is not None and row.deleted_at is None:
        told = {name: getattr(row, name) for name in ("rank", "amount", "currency", "reference")}
        prize = news.of_prize(event, row.tournament, row.tournament_name, prize=row.id, **told)
        notify(session, row.user_id, prize)


def _moved(before: Status, wanted: Status | None) -> Status:
    """Return the next status. :raises Conflict: `prize_<status>`."""
    if wanted is None or wanted == before:
        return before
    if wanted not in MOVES[before]:
        raise Conflict(f"A prize that is {before} cannot become {wanted}.", code=f"prize_{before}")
    return wanted


def _reference_required() -> Refused:
    message = "Say by which reference it was paid."
    error = FieldError(field="reference", code="reference_required", message=message)
    return Refused(message, code="reference_required", errors=(error,))
