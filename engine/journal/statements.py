"""The statements that store units of work, for the dialect of the database."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, update

from engine.journal.unit import Unit
from models import (
    Account,
    AuditEntry,
    Balance,
    Database,
    EquitySample,
    Event,
    EventCounter,
    IdempotencyKey,
    KillSwitch,
    LedgerEntry,
    Order,
    Position,
    RiskLimits,
    SignalKey,
    Strategy,
    StrategyLogEntry,
    Trade,
)
from models.prepared import PreparedInsert
from utils import clock

_RELEASE = delete(KillSwitch).where(KillSwitch.scope == bindparam("scope"), KillSwitch.target == bindparam("target"))


class Statements:
    """Write the rows of units of work, many to a statement."""

    def __init__(self, database: Database) -> None:
        upsert, dialect = database.insert, database.engine.dialect
        never_again = {"account_id", "user_id", "client_order_id", "created_at"}
        orders = _replacing(upsert(Order), Order, kept=never_again)
        self._orders = PreparedInsert(orders, dialect)
        self._trades, self._ledger, self._events, self._audit, self._keys, self._strategy_log = (
            PreparedInsert(insert(table), dialect)
            for table in (Trade, LedgerEntry, Event, AuditEntry, IdempotencyKey, StrategyLogEntry)
        )
        self._balances, self._positions, self._limits = (
            PreparedInsert(_replacing(upsert(table), table), dialect) for table in (Balance, Position, RiskLimits)
        )
        self._switches = _replacing(upsert(KillSwitch), KillSwitch)
        self._samples = PreparedInsert(upsert(EquitySample).on_conflict_do_nothing(), dialect)
        counter_insert = upsert(EventCounter)
        self._counters = counter_insert.on_conflict_do_update(
            index_elements=["user_id"],
            set_={"last_id": EventCounter.last_id + counter_insert.excluded.last_id},
        ).returning(EventCounter.user_id, EventCounter.last_id)

    def write(self, connection: Connection, units: list[Unit]) -> list[dict[str, Any]]:
        """Write `units` in their order and return the rows of their events, those of a user by ascending ids."""
        units = [part for unit in units for part in unit.parts]
        orders: dict[str, dict[str, Any]] = {}
        balances: dict[tuple[str, str], dict[str, Any]] = {}
        positions: dict[tuple[str, str], dict[str, Any]] = {}
        trades: list[dict[str, Any]] = []
        ledger: list[dict[str, Any]] = []
        audit: list[dict[str, Any]] = []
        keys: list[dict[str, Any]] = []
        samples: list[dict[str, Any]] = []
        for unit in units:
            orders.update({row["id"]: row for row in unit.order_rows()})
            balances.update({(row["account_id"], row["currency"]): row for row in unit.balances})
            positions.update({(row["account_id"], row["symbol"]): row for row in unit.positions.values()})
            trades += unit.trade_rows()
            ledger += unit.ledger
            audit += unit.audit
            keys += unit.keys
            samples += unit.samples
            if unit.account:
                _settle(connection, unit.account)
            if unit.strategy:
                _settle_strategy(connection, unit.strategy)
        events = self._number(connection, units)
        for statement, rows in (
            (self._orders, list(orders.values())),
            (self._trades, trades),
            (self._ledger, ledger),
            (self._balances, list(balances.values())),
            (self._positions, list(positions.values())),
            (self._events, events),
            (self._audit, audit),
            (self._keys, keys),
            (self._limits, [row for unit in units for row in unit.limits]),
            (self._samples, samples),
            (self._strategy_log, [row for unit in units for row in unit.strategy_log]),
        ):
            if rows:
                statement.execute(connection, rows)
        for order_id in (order_id for unit in units for order_id in unit.released):
            connection.execute(delete(IdempotencyKey).where(IdempotencyKey.order_id == order_id))
            connection.execute(update(Order).where(Order.id == order_id).values(client_order_id=order_id))
        for row in (row for unit in units for row in unit.switches):  # in order: one may be engaged and released
            connection.execute(self._switches if row["engaged_at"] is not None else _RELEASE, row)
        return events

    def _number(self, connection: Connection, units: list[Unit]) -> list[dict[str, Any]]:
        """Give every event the next id of its user, inside the transaction: no gap, no event out of order."""
        by_user: dict[str, list[dict[str, Any]]] = {}
        for unit in units:
            by_user.setdefault(unit.line.user_id, []).extend(unit.events)
        counts = [{"user_id": user_id, "last_id": len(events)} for user_id, events in by_user.items() if events]
        rows: list[dict[str, Any]] = []
        if not counts:
            return rows
        moment = clock.now()
        for user_id, last in connection.execute(self._counters, counts):
            events = by_user[user_id]
            for number, event in enumerate(events, start=last - len(events) + 1):
                rows.append({**event, "user_id": user_id, "id": number, "created_at": moment})
        return rows


def _replacing(statement: Any, table: Any, kept: Set[str] = frozenset()) -> Any:
    """Let an insert replace the row with the same key, but for the columns `kept`."""
    columns = table.__table__.columns
    return statement.on_conflict_do_update(
        index_elements=[column.name for column in columns if column.primary_key],
        set_={
            column.name: statement.excluded[column.name]
            for column in columns
            if not column.primary_key and column.name not in kept
        },
    )


def _settle(connection: Connection, columns: dict[str, Any]) -> None:
    changes = {name: value for name, value in columns.items() if name != "id"}
    connection.execute(update(Account).where(Account.id == columns["id"]).values(**changes))


def _settle_strategy(connection: Connection, columns: dict[str, Any]) -> None:
    """Change the columns of a strategy, or forget it with all that hangs on it."""
    mine = columns["id"]
    if columns.get("state", "") is None:
        connection.execute(delete(StrategyLogEntry).where(StrategyLogEntry.strategy_id == mine))
        connection.execute(delete(SignalKey).where(SignalKey.strategy_id == mine))
        connection.execute(delete(Strategy).where(Strategy.id == mine))
    else:
        changes = {name: value for name, value in columns.items() if name != "id"}
        connection.execute(update(Strategy).where(Strategy.id == mine).values(**changes))
