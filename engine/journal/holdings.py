"""What accounts hold, many at once as SQL has it, and the samples of what that was worth."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Integer, cast, delete, extract, func, select, tuple_

from models import Account, Balance, Database, EquitySample, Position
from utils.money import ZERO
from utils.wire import Mode

MOST_AT_ONCE = 500
"""Ids in one query: SQLite takes no more than so many parameters."""


class Owned(msgspec.Struct, kw_only=True):
    """An account's totals and open positions (symbol, amount, entry price)."""

    account: str
    mode: Mode
    exchange: str
    reference_currency: str
    deposited: Decimal | None
    totals: dict[str, Decimal] = msgspec.field(default_factory=dict)
    positions: list[tuple[str, Decimal, Decimal | None]] = msgspec.field(default_factory=list)


class Sample(NamedTuple):
    """What an account is worth at a moment; the names are the columns'."""

    account_id: str
    at: datetime
    value: Decimal
    deposited: Decimal


class Holdings:
    """Read and write for `Equities`; every method blocks and belongs on a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._samples = database.insert(EquitySample).on_conflict_do_nothing()

    def active(self, after: str) -> list[str]:
        """Return the ids of some active accounts, in their order, those that come after `after`; none at the end."""
        query = select(Account.id).where(Account.status == "active", Account.id > after)
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(Account.id).limit(MOST_AT_ONCE)).scalars())

    def read(self, accounts: list[str], *, only_holding: bool = False) -> list[Owned]:
        """Read accounts. One that was never opened has its deposit.

        :param only_holding: leave out those that hold nothing, or were never opened.
        """
        found = []
        for start in range(0, len(accounts), MOST_AT_ONCE):
            found += self._read(Account.id.in_(accounts[start : start + MOST_AT_ONCE]), only_holding=only_holding)
        return found

    def add_samples(self, rows: list[dict[str, Any]]) -> None:
        """Store samples, none of them twice."""
        with self._database.write() as session:
            session.connection().execute(self._samples, rows)

    def thin(self, after: datetime, until: datetime, seconds: int) -> int:
        """Leave the last sample of every `seconds` between two moments, and those at which something was deposited."""
        after, until = _whole(after, seconds), _whole(until, seconds)
        sample = EquitySample
        if self._database.is_sqlite:
            epoch: Any = cast(func.strftime("%s", sample.at), Integer)
        else:
            epoch = cast(func.floor(extract("epoch", sample.at)), BigInteger)
        ranked = (
            select(
                sample.account_id,
                sample.at,
                sample.deposited,
                func.row_number()
                # `%` and not a division: what that makes of whole numbers differs between databases
                .over(partition_by=(sample.account_id, epoch - epoch % seconds), order_by=sample.at.desc())
                .label("place"),
                func.lag(sample.deposited).over(partition_by=sample.account_id, order_by=sample.at).label("before"),
            )
            .where(sample.at >= after, sample.at < until)
            .subquery()
        )
        surplus = select(ranked.c.account_id, ranked.c.at).where(
            ranked.c.place > 1, ranked.c.before == ranked.c.deposited
        )
        with self._database.write() as session:
            statement = delete(sample).where(tuple_(sample.account_id, sample.at).in_(surplus))
            return session.connection().execute(statement).rowcount

    def _read(self, condition: Any, *, only_holding: bool) -> list[Owned]:
        held = (Balance.account_id == Account.id) & (Balance.total != ZERO)
        # one statement: totals and deposits of one moment
        query = (
            select(
                Account.id,
                Account.mode,
                Account.exchange,
                Account.reference_currency,
                Account.deposited,
                Account.starting_balance,
                Balance.currency,
                Balance.total,
            )
            .join(Balance, held, isouter=not only_holding)
            .where(condition)
            .order_by(Account.id)
        )
        positions = (
            select(Position.account_id, Position.symbol, Position.amount, Position.entry_price)
            .join(Account, Account.id == Position.account_id)
            .where(condition, Position.amount != ZERO)
        )
        found: dict[str, Owned] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                owned = found.get(row.id)
                if owned is None:
                    owned = found[row.id] = Owned(
                        account=row.id,
                        mode=row.mode,
                        exchange=row.exchange,
                        reference_currency=row.reference_currency,
                        deposited=row.deposited,
                    )
                    if row.deposited is None and row.mode == "paper":  # the engine books it when it first opens it
                        owned.deposited = row.starting_balance
                        owned.totals[row.reference_currency] = row.starting_balance
                if row.currency is not None:
                    owned.totals[row.currency] = row.total
            for account_id, symbol, amount, entry_price in connection.execute(positions):
                if account_id in found:
                    found[account_id].positions.append((symbol, amount, entry_price))
        return list(found.values())


def _whole(moment: datetime, seconds: int) -> datetime:
    epoch = int(moment.timestamp())
    return datetime.fromtimestamp(epoch - epoch % seconds, UTC)
