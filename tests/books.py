"""Hold SQL against itself and against OctoBot: nothing lost, doubled or invented."""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_UP, Decimal
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import select

import models
from models import Database
from models.records import order_of
from utils.money import ZERO
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Holding, Instrument, Order, OrderStatus, may_move

DEFAULT_LEVERAGE = Decimal(5)
NOTHING = Holding(free=ZERO, locked=ZERO, total=ZERO, value=None)


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
    found += _moves(database, orders)
    if bridge is not None:
        found += _memory(database, bridge)
    return found


def _event_gaps(database: Database) -> list[str]:
    ids: dict[str, list[int]] = defaultdict(list)
    for event in rows(database, models.Event):
        ids[event.user_id].append(event.id)
    return [f"events of {user}: {numbers}" for user, numbers in ids.items() if numbers != [*range(1, len(numbers) + 1)]]


def _moves(database: Database, orders: dict[str, Any]) -> list[str]:
    """Hold the statuses that the events tell against the table of moves, and the last one against the order's."""
    found = []
    told: dict[str, OrderStatus] = dict.fromkeys(orders, "pending_new")
    for event in rows(database, models.Event):
        if event.type != "order":
            continue
        order = msgspec.json.decode(event.payload)
        before, after = told[order["id"]], order["status"]
        if not may_move(before, after):
            found.append(f"order {order['id']}: moved from {before} to {after}")
        told[order["id"]] = after
    return found + [
        f"order {order_id}: {orders[order_id].status}, but the last event says {status}"
        for order_id, status in told.items()
        if orders[order_id].status != status
    ]


def _memory(database: Database, bridge: OctoBotBridge) -> list[str]:
    found = []
    # first, since an account that was never looked at books its deposit now
    portfolios = {account.id: bridge.portfolio(account.id) for account in rows(database, models.Account)}
    stored = [order_of(row) for row in rows(database, models.Order) if row.closed_at is None]
    totals = {(row.account_id, row.currency): row.total for row in rows(database, models.Balance)}
    positions = rows(database, models.Position)
    locks = _locks(stored, {instrument.symbol: instrument for instrument in bridge.instruments()}, positions)
    for account, portfolio in portfolios.items():
        held = portfolio.currencies
        for currency in held.keys() | {currency for owner, currency in totals if owner == account}:
            total, locked = totals.get((account, currency), ZERO), locks[account, currency]
            holding = held.get(currency, NOTHING)
            if (holding.total, holding.locked, holding.free) != (total, locked, total - locked) or holding.free < 0:
                found.append(f"{account} {currency}: OctoBot {msgspec.to_builtins(holding)}, SQL {total}, {locked}")
        # a trailing level is stored up to a second late
        memory = {order.id: replace(order, trailing_level=None) for order in bridge.open_orders(account)}
        expected = {order.id: replace(order, trailing_level=None) for order in stored if order.account == account}
        found += [
            f"order {order_id}: OctoBot {memory.get(order_id)}, SQL {expected.get(order_id)}"
            for order_id in memory.keys() | expected.keys()
            if memory.get(order_id) != expected.get(order_id)
        ]
    return found


def _locks(
    orders: list[Order], instruments: dict[str, Instrument], positions: list[Any]
) -> dict[tuple[str, str], Decimal]:
    """Reckon what positions lock, and open orders that rest at a limit price, the taker fee included."""
    locks: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    leverages = {(position.account_id, position.symbol): position.leverage for position in positions}
    for position in positions:
        locks[position.account_id, instruments[position.symbol].settle or ""] += position.margin
    for order in orders:
        if order.price is None or (order.type != "limit" and order.triggered_at is None):
            continue
        market = instruments[order.symbol]
        if market.settle is not None:
            if not order.reduce_only:
                cost = order.amount * order.price
                leverage = leverages.get((order.account, order.symbol), DEFAULT_LEVERAGE)
                margin = (cost / leverage).quantize(Decimal("1e-8"), ROUND_UP)
                locks[order.account, market.settle] += margin + cost * market.taker_fee
            continue
        if order.side == "buy":
            locks[order.account, market.quote] += order.amount * order.price * (1 + market.taker_fee)
        else:
            locks[order.account, market.base] += order.amount
    return locks
