"""What the engine reads of tournaments."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import select

from models import Balance, Database, Participant, Position, Tournament, Trade

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
    finished_at: datetime | None
    """When it was cancelled, for one that is."""

    @property
    def over_at(self) -> datetime:
        """Return when it ended, or will end by its plan."""
        return self.finished_at or self.ends_at

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
        query = select(row.id, row.status, row.exchange, row.symbols, row.starts_at, row.ends_at, row.finished_at)
        with self._database.read() as connection:
            rows = connection.execute(query.where(row.id.in_(tournaments))).all()
        return [Contest(**{**each._mapping, "symbols": _symbols(each.symbols)}) for each in rows]

    def held(self, tournament_id: str) -> set[str]:
        """Read the markets in which participants hold something."""
        theirs = select(Participant.account_id).where(Participant.tournament_id == tournament_id)
        currency = select(Tournament.currency).where(Tournament.id == tournament_id)
        balances = select(Balance.currency, Balance.total).where(Balance.account_id.in_(theirs))
        positions = select(Position.symbol).where(Position.account_id.in_(theirs), Position.opened_at.is_not(None))
        with self._database.read() as connection:
            quote = connection.execute(currency).scalar_one()
            coins = {name for name, total in connection.execute(balances) if total and name != quote}
            return {f"{coin}/{quote}" for coin in coins} | set(connection.execute(positions).scalars())

    def last_traded(self, tournament_id: str, symbol: str) -> Decimal | None:
        """Read the price at which a participant traded last in a market."""
        theirs = select(Participant.account_id).where(Participant.tournament_id == tournament_id)
        query = select(Trade.price).where(Trade.account_id.in_(theirs), Trade.symbol == symbol)
        with self._database.read() as connection:
            return connection.execute(query.order_by(Trade.created_at.desc(), Trade.id.desc()).limit(1)).scalar()


def _symbols(text: str) -> frozenset[str]:
    return frozenset(msgspec.json.decode(text, type=list[str]))
