"""The end of a tournament, as jobs: everybody's account is closed at the same prices, then the prizes are settled.

All of it may be killed anywhere and begun anew. The prices are kept before the first account is closed at them; the
engine closes an account once, however often it is asked; who is closed is noted with what they have then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.jobs import Run
from services.tournaments.moves import change, lock, move
from utils import clock
from utils.errors import TradingError
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, ArchiveAccount, ClosedEntry, CloseEntries, FreezeTournament

CLOSE_SECONDS = 30.0
"""How long the engine may take to close the accounts of one call."""
AT_ONCE = 40
"""Accounts of one call, and of one transaction."""
_ROW = models.Tournament
_ENTRY = models.Participant


class TournamentEnd:
    """Close the accounts of tournaments that are over."""

    def __init__(
        self, database: Database, bridge: OctoBotBridge, want_settlement: Callable[[Session, str], None]
    ) -> None:
        self._database = database
        self._bridge = bridge.within(CLOSE_SECONDS)
        self._want_settlement = want_settlement

    def close(self, run: Run) -> None:
        """Close everybody's account, then let the prizes be settled unless the tournament was cancelled.

        :raises TradingError: some accounts could not be closed yet; the others were.
        """
        tournament_id = str(run.payload["tournament"])
        row = self._read(tournament_id)
        if row.status not in {"closing", "cancelled"}:
            return
        failure: TradingError | None = None
        last = ""
        while entries := self._open_entries(tournament_id, last):
            run.check()
            last = entries[-1].id
            marks = self._marks(run, tournament_id)
            accounts = [entry.account_id for entry in entries]
            command = CloseEntries(
                actor=Actor(user_id=row.created_by), tournament=tournament_id, accounts=accounts, marks=marks
            )
            answers = self._bridge.close_entries(command)
            self._note(run, entries, answers)
            failure = next((answer.fault.error() for answer in answers if answer.fault is not None), failure)
        if failure is not None:
            raise failure
        with self._database.write() as session:
            run.hold(session)
            locked = lock(session, tournament_id)
            if locked.status == "closing":
                move(session, locked, "finished")
                self._want_settlement(session, tournament_id)

    def archive(self, run: Run) -> None:
        """Archive the account of somebody who left; done already, it stays as it is."""
        actor = Actor(user_id=str(run.payload["user"]))
        self._bridge.archive_account(ArchiveAccount(actor=actor, account=str(run.payload["account"])))

    def _marks(self, run: Run, tournament_id: str) -> dict[str, Decimal]:
        """Return the prices for all, which are kept before anybody is closed at them."""
        kept = self._read(tournament_id).marks
        if kept is None:
            frozen = self._bridge.freeze_tournament(FreezeTournament(tournament=tournament_id))
            with self._database.write() as session:
                run.hold(session)
                kept = lock(session, tournament_id).marks
                if kept is None:
                    kept = msgspec.json.encode(frozen.marks).decode()
                    change(session, tournament_id, {"marks": kept})
                    if frozen.last_known:
                        told = {"last_known": frozen.last_known}
                        audit.record(
                            session, audit.SYSTEM, "tournament.marked", user_id=None, target=tournament_id, detail=told
                        )
        return msgspec.json.decode(kept, type=dict[str, Decimal])

    def _note(self, run: Run, entries: Sequence[Any], answers: Sequence[ClosedEntry]) -> None:
        """Note who is closed, with what they have."""
        values = {answer.account: answer.value for answer in answers if answer.fault is None}
        with self._database.write() as session:
            run.hold(session)
            for entry in entries:
                if (value := values.get(entry.account_id)) is None:
                    continue
                closed = {"closed_at": clock.now(), "final_value": value}
                session.execute(update(_ENTRY).where(_ENTRY.id == entry.id).values(closed))

    def _open_entries(self, tournament_id: str, after: str) -> Sequence[Any]:
        query = select(_ENTRY.id, _ENTRY.account_id).where(_ENTRY.tournament_id == tournament_id)
        query = query.where(_ENTRY.closed_at.is_(None), _ENTRY.id > after).order_by(_ENTRY.id).limit(AT_ONCE)
        with self._database.read() as connection:
            return connection.execute(query).all()

    def _read(self, tournament_id: str) -> Any:
        with self._database.read() as connection:
            return connection.execute(select(_ROW.__table__).where(_ROW.id == tournament_id)).one()
