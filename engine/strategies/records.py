"""What the engine reads of strategies from SQL."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Select, delete, select

from engine.strategies.view import ALERTS, order_name
from models import Account, Database, Order, Strategy, StrategyLogEntry, Trade
from models.records import orders_of, trades_of
from utils import wire
from utils.errors import NotFound
from utils.wire import Mode, StrategyState

RECENT = 2_000
"""Closed orders that a strategy knows of when it begins: one it has not followed yet was closed last."""
LIFE_LENGTH = 6
"""Random digits of an id: what is left of a client order id is the strategy's name."""

LOG_ENTRIES = 1_000
"""Of each strategy so many entries of its log stay."""


class StrategyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy as SQL has it, with what its account says of the market."""

    id: str
    user_id: str
    name: str
    account_id: str
    parent_id: str
    strategy_class: str
    portfolio_name: str
    settings: dict[str, Any]
    memory: dict[str, str]
    funding: Decimal
    state: StrategyState
    run: int
    error_code: str | None
    error: str | None
    created_at: datetime
    updated_at: datetime
    mode: Mode
    exchange: str
    reference_currency: str

    @property
    def symbols(self) -> list[str]:
        """Return what it trades."""
        return self.portfolio_name.split(",")

    def order_name(self, level: str, generation: str) -> str:
        """Return the client order id of an order.

        A live account outlives its strategies: random digits tell the orders of one from those of others that had its
        name. Not those of alerts: what an alert asks for is done once, whoever hears it.
        """
        life = self.id[-LIFE_LENGTH:] if self.mode == "live" and level != ALERTS else ""
        return order_name(self.name, level, generation, life=life)

    def message(self) -> wire.Strategy:
        """Return the strategy as its owner sees it."""
        return wire.Strategy(
            name=self.name,
            strategy_class=self.strategy_class,
            account=self.account_id,
            parent=self.parent_id,
            mode=self.mode,
            exchange=self.exchange,
            portfolio_name=self.portfolio_name,
            settings=self.settings,
            funding=self.funding,
            state=self.state,
            error=self.error,
            error_code=self.error_code,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


class StrategyRecords:
    """Read for strategies; every method blocks and belongs on a thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_account(self, account_id: str) -> StrategyRecord:
        """Read the strategy of an account. :raises NotFound: `strategy_not_found`."""
        with self._database.read() as connection:
            row = connection.execute(_STRATEGIES.where(Strategy.account_id == account_id)).one_or_none()
        if row is None:
            raise NotFound("There is no such strategy.", code="strategy_not_found")
        return _record(row)

    def running(self) -> list[StrategyRecord]:
        """Read the strategies that run, the oldest first."""
        query = _STRATEGIES.where(Strategy.state == "running").order_by(Strategy.id)
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(query)]

    def orders(self, record: StrategyRecord) -> list[wire.Order]:
        """Read a strategy's open orders and those that closed last, in the order in which they were made.

        A live account had others before.
        """
        mine = select(Order.__table__).where(
            Order.account_id == record.account_id, Order.created_at >= record.created_at
        )
        closed = mine.where(Order.closed_at.is_not(None)).order_by(Order.closed_at.desc()).limit(RECENT)
        with self._database.read() as connection:
            found = orders_of(connection.execute(mine.where(Order.closed_at.is_(None))))
            found += orders_of(connection.execute(closed))
        return sorted(found, key=lambda order: order.id)

    def named(self, account_id: str, client_order_id: str) -> wire.Order | None:
        """Read the order of an account with this client order id."""
        query = select(Order.__table__).where(Order.account_id == account_id, Order.client_order_id == client_order_id)
        with self._database.read() as connection:
            return next(iter(orders_of(connection.execute(query))), None)

    def order(self, account_id: str, order_id: str) -> wire.Order | None:
        """Read an order of an account."""
        query = select(Order.__table__).where(Order.account_id == account_id, Order.id == order_id)
        with self._database.read() as connection:
            return next(iter(orders_of(connection.execute(query))), None)

    def last_order_at(self, account_id: str, since: datetime) -> datetime | None:
        """Read when the newest order of an account was placed, None when that was before `since`."""
        query = select(Order.created_at).where(Order.account_id == account_id, Order.created_at >= since)
        with self._database.read() as connection:
            return connection.execute(query.order_by(Order.created_at.desc()).limit(1)).scalar()

    def closed(self, account_id: str, symbol: str | None, limit: int) -> list[wire.Order]:
        """Read the orders of an account that closed last, the one that did first in front."""
        query = select(Order.__table__).where(Order.account_id == account_id, Order.closed_at.is_not(None))
        if symbol is not None:
            query = query.where(Order.symbol == symbol)
        query = query.order_by(Order.closed_at.desc(), Order.id.desc()).limit(limit)
        with self._database.read() as connection:
            return orders_of(connection.execute(query))[::-1]

    def trades(self, account_id: str, symbol: str | None, limit: int) -> list[wire.Trade]:
        """Read the latest trades of an account, the first one in front."""
        query = select(Trade.__table__).where(Trade.account_id == account_id)
        if symbol is not None:
            query = query.where(Trade.symbol == symbol)
        query = query.order_by(Trade.created_at.desc(), Trade.id.desc()).limit(limit)
        with self._database.read() as connection:
            return trades_of(connection.execute(query))[::-1]

    def thin_logs(self) -> None:
        """Forget the oldest entries of logs that have grown long."""
        entry = StrategyLogEntry
        with self._database.read() as connection:
            ids = connection.execute(select(Strategy.id)).scalars().all()
        for strategy_id in ids:
            mine = select(entry.id).where(entry.strategy_id == strategy_id)
            kept = mine.order_by(entry.created_at.desc(), entry.id.desc()).offset(LOG_ENTRIES).limit(1)
            with self._database.read() as connection:
                first = connection.execute(kept).scalar()
            if first is not None:
                with self._database.write() as session:
                    # ids sort by the time they were made
                    session.execute(delete(entry).where(entry.strategy_id == strategy_id, entry.id <= first))


_STRATEGIES: Select[Any] = select(
    *Strategy.__table__.columns, Account.mode, Account.exchange, Account.reference_currency
).join(Account, Account.id == Strategy.account_id)


def _record(row: Any) -> StrategyRecord:
    columns = dict(row._mapping)
    settings, memory = columns.pop("settings"), columns.pop("memory")
    return StrategyRecord(
        **columns,
        settings=msgspec.json.decode(settings),
        memory={} if memory is None else msgspec.json.decode(memory, type=dict[str, str]),
    )
