"""Tournaments made, changed and moved by administrators."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.audit import Origin
from services.idempotency import Claim, Idempotency
from services.principals import Principal
from services.tournaments.moves import Status, change, count, lock, move, wrong_state
from services.tournaments.rules import (
    MOMENTS,
    TRADED,
    NewTournament,
    check_future,
    columns,
    hashed,
    rules_of,
    symbols_of,
)
from services.tournaments.tournaments import Tournament, not_found, read
from utils import clock, ids
from utils.errors import Conflict, TradingError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import FreezeTournament

CREATE = "POST /api/tournaments/"
_ROW = models.Tournament
_WORDS = frozenset({"name", "description"})
EDITABLE: dict[Status, frozenset[str]] = {
    "registration": _WORDS | {*MOMENTS, "max_participants", "min_participants"},
    "running": _WORDS | {"ends_at"},
    "closing": frozenset(),
    "finished": frozenset(),
    "cancelled": frozenset(),
}
"""What may be changed in each state once somebody takes part, who joined under the rules as they were."""


class TournamentChanges:
    """Make, change and move tournaments; for administrators, whose permission the routes check."""

    def __init__(self, database: Database, bridge: OctoBotBridge, idempotency: Idempotency) -> None:
        self._database = database
        self._bridge = bridge
        self._idempotency = idempotency

    def create(self, principal: Principal, origin: Origin, new: NewTournament, key: str | None = None) -> Tournament:
        """Make a tournament; a repeated `key` gets the first outcome.

        :raises Refused: its rules do not fit each other, or the exchange. :raises NotFound: unknown exchange.
        """
        values: dict[str, Any] = {}

        def check() -> None:
            check_future(new, MOMENTS, clock.now())
            values.update(columns(new), symbols=symbols_of(new, self._bridge.instruments(new.exchange)))

        def write(session: Session) -> Tournament:
            tournament_id, now = ids.new_id(), clock.now()
            opened = {"status": "registration", "registration_starts_at": now}
            values.update({"status": "draft"} if new.draft else opened)
            made = {"id": tournament_id, "created_by": principal.user_id, "created_at": now, "updated_at": now}
            session.execute(insert(_ROW).values(**values, **made, join_code_hash=hashed(new.join_code)))
            audit.record(session, origin, "tournament.created", user_id=principal.user_id, target=tournament_id)
            return read(session, principal, tournament_id)

        return self._idempotency.once(Claim.of(principal, key, CREATE, new), Tournament, write, check)

    def edit(self, principal: Principal, origin: Origin, tournament_id: str, changes: dict[str, Any]) -> Tournament:
        """Change the rules of a tournament.

        :raises Refused: what it would be does not fit. :raises NotFound: there is none.
        :raises Conflict: `tournament_<status>`, `tournament_joined` for rules under which somebody has joined, or
            `tournament_changed` when it was changed at the same moment.
        """
        with self._database.read() as connection:
            row = connection.execute(select(_ROW.__table__).where(_ROW.id == tournament_id)).one_or_none()
        if row is None:
            raise not_found()
        wanted = msgspec.structs.replace(rules_of(row), **changes)
        check_future(wanted, changes, clock.now())
        values = columns(wanted)
        if not TRADED.isdisjoint(changes):
            values["symbols"] = symbols_of(wanted, self._bridge.instruments(wanted.exchange))
        if "join_code" in changes:
            values["join_code_hash"] = hashed(wanted.join_code)
        with self._database.write() as session:
            locked = lock(session, tournament_id)
            if locked is None:
                raise not_found()
            _check_editable(session, locked, changes)
            if locked.updated_at != row.updated_at:
                raise Conflict("The tournament has just been changed; look at it again.", code="tournament_changed")
            if row.status == "registration":
                values.pop("registration_starts_at")  # that was when it opened
            change(session, tournament_id, {**values, "updated_at": clock.now()})
            told = {"user_id": principal.user_id, "target": tournament_id}
            audit.record(session, origin, "tournament.edited", **told, detail={"changed": sorted(changes)})
            return read(session, principal, tournament_id)

    def delete(self, principal: Principal, origin: Origin, tournament_id: str) -> Tournament:
        """Delete a draft, and return what it was. :raises Conflict: `tournament_<status>`: cancel it instead."""
        with self._database.write() as session:
            row = lock(session, tournament_id)
            if row is None:
                raise not_found()
            if row.status != "draft":
                raise wrong_state(row.status)
            deleted = read(session, principal, tournament_id)
            session.execute(delete(_ROW).where(_ROW.id == tournament_id))
            audit.record(session, origin, "tournament.deleted", user_id=principal.user_id, target=tournament_id)
            return deleted

    def move(
        self, principal: Principal, origin: Origin, tournament_id: str, after: Status, reason: str | None = None
    ) -> Tournament:
        """Bring a tournament into another state now, whatever the schedule has planned.

        :raises NotFound: there is none. :raises Conflict: `tournament_<status>` when its state does not lead there.
        """
        with self._database.write() as session:
            row = lock(session, tournament_id)
            if row is None:
                raise not_found()
            move(session, row, after, origin=origin, user_id=principal.user_id, reason=reason)
            moved = read(session, principal, tournament_id)
        if after in {"closing", "cancelled"}:
            with suppress(TradingError):  # the engine finds out by itself, a moment later
                self._bridge.freeze_tournament(FreezeTournament(tournament=tournament_id))
        return moved


def _check_editable(session: Session, row: Any, changes: Iterable[str]) -> None:
    if row.status == "draft":
        return
    taking_part = count(session, models.Participant.tournament_id == row.id)
    allowed = EDITABLE[row.status]
    if not allowed:
        raise wrong_state(row.status)
    fixed = sorted(set(changes) - allowed)
    if fixed and row.status == "running":
        raise Conflict(f"{fixed[0]} stays as it is while the tournament runs.", code="tournament_running")
    if fixed and taking_part:
        raise Conflict(f"{fixed[0]} stays as it is: somebody has joined.", code="tournament_joined")
