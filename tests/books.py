"""Hold SQL against itself and against OctoBot: nothing lost, doubled or invented."""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import select

import models
from models import Database
from utils.octobot_bridge import OctoBotBridge


def rows(database: Database, table: Any) -> list[Any]:
    """Return all rows of a table, oldest first."""
    with database.read() as connection:
        return list(connection.execute(select(table.__table__).order_by(*table.__table__.primary_key)))


def differences(database: Database, bridge: OctoBotBridge | None = None) -> list[str]:
    """Return every disagreement, in words; with `bridge` also between SQL and OctoBot's memory."""
    found = []
    ledger: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for entry in rows(database, models.LedgerEntry):
        ledger[entry.account_id, entry.currency] += entry.amount
    balances = {(row.account_id, row.currency): row.total for row in rows(database, models.Balance)}
    for key in ledger.keys() | balances.keys():
        if ledger[key] != balances.get(key, Decimal(0)):
            found.append(f"{key}: ledger {ledger[key]}, balance {balances.get(key)}")
    found += [f"{key}: negative {total}" for key, total in balances.items() if total < 0]
    orders = {row.id: row for row in rows(database, models.Order)}
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for trade in rows(database, models.Trade):
        filled[trade.order_id] += trade.amount
    for order in orders.values():
        if order.filled != filled[order.id]:
            found.append(f"order {order.id}: filled {order.filled}, trades {filled[order.id]}")
        if (order.status == "filled") != (order.filled == order.amount):
            found.append(f"order {order.id}: {order.status} with {order.filled} of {order.amount}")
    found += _event_gaps(database)
    if bridge is not None:
        found += _memory(database, bridge)
    return found


def _event_gaps(database: Database) -> list[str]:
    ids: dict[str, list[int]] = defaultdict(list)
    for event in rows(database, models.Event):
        ids[event.user_id].append(event.id)
    return [f"events of {user}: {numbers}" for user, numbers in ids.items() if numbers != [*range(1, len(numbers) + 1)]]


def _memory(database: Database, bridge: OctoBotBridge) -> list[str]:
    found = []
    open_orders = Counter(row.account_id for row in rows(database, models.Order) if row.closed_at is None)
    for account in rows(database, models.Account):
        held = bridge.portfolio(account.id).currencies
        for balance in rows(database, models.Balance):
            if balance.account_id != account.id:
                continue
            holding = held[balance.currency]
            if holding.total != balance.total or holding.free + holding.locked != holding.total or holding.free < 0:
                found.append(
                    f"{account.id} {balance.currency}: OctoBot {msgspec.to_builtins(holding)}, {balance.total}"
                )
        if len(bridge.open_orders(account.id)) != open_orders[account.id]:
            found.append(f"{account.id}: {open_orders[account.id]} open orders in SQL, other in OctoBot")
    return found
