"""What the engine reads of tournaments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import select

from models import Database, Participant, Tournament

BEFORE = frozenset({"draft", "registration"})


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a tournament lets an account do; it does not change once there is an account."""

    tournament: str
    symbols: frozenset[str]
    max_leverage: Decimal | None


class Contest(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether the accounts of a tournament may trade."""

    id: str
    status: str
    exchange: str
    symbols: frozenset[str]
    starts_at: datetime
    ends_at: datetime

    def is_over(self, now: datetime) -> bool:
        """Tell whether it has ended, by its state or by the clock."""
        return self.status not in BEFORE and (self.status != "running" or now >= self.ends_at)

    def is_open(self, now: datetime) -> bool:
        """Tell whether its accounts may trade."""
        return self.status == "running" and self.starts_at <= now < self.ends_at


class TournamentRecords:
    """Read for `Contests`; every method blocks and belongs on a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entry(self, account_id: str) -> Entry | None:
        """Read what an account may do; None when its owner has left the tournament."""
        query = select(Tournament.id, Tournament.symbols, Tournament.max_leverage)
        query = query.join(Participant, Participant.tournament_id == Tournament.id)
        with self._database.read() as connection:
            row = connection.execute(query.where(Participant.account_id == account_id)).one_or_none()
        if row is None:
            return None
        return Entry(tournament=row.id, symbols=_symbols(row.symbols), max_leverage=row.max_leverage)

    def contests(self, tournaments: list[str]) -> list[Contest]:
        """Read tournaments."""
        row = Tournament
        query = select(row.id, row.status, row.exchange, row.symbols, row.starts_at, row.ends_at)
        with self._database.read() as connection:
            rows = connection.execute(query.where(row.id.in_(tournaments))).all()
        return [Contest(**{**each._mapping, "symbols": _symbols(each.symbols)}) for each in rows]


def _symbols(text: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(text, type=list[str]))
