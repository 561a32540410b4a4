"""Hold SQL against the memory of the running engine, account by account, while both go on changing."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Row, select

from models import Account, Balance, Database, EventCounter, Order, Position
from models.records import order_of
from services.verification.difference import Difference
from utils import wire
from utils.errors import EngineUnavailable, NotFound
from utils.money import ZERO
from utils.octobot_bridge import OctoBotBridge

_log = logging.getLogger(__name__)
PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds before each look: memory is ahead of SQL for some milliseconds, so what differs is looked at again."""
LEVERAGE = Decimal(5)
"""Of a market in which the account has never had a position nor chosen a leverage."""
MARGIN_DIGITS = Decimal("1e-8")
"""Margins are rounded up to this."""
NOTHING = wire.Holding(free=ZERO, locked=ZERO, total=ZERO, value=None)


@dataclass(frozen=True)
class _Stored:
    """An account as SQL has it at a moment."""

    events: int
    totals: dict[str, Decimal]
    orders: dict[str, wire.Order]
    positions: dict[str, Row[Any]]


def compare(database: Database, bridge: OctoBotBridge) -> Iterator[Difference]:
    """Yield what OctoBot holds and SQL does not, and the reverse. Accounts that are not in memory come into it.

    :raises StorageUnavailable: the database does not answer. :raises BridgeError: the engine went away.
    """
    with database.read() as connection:
        accounts = connection.execute(select(Account.__table__).where(Account.status == "active")).all()

    @cache
    def instruments(exchange: str) -> dict[str, wire.Instrument]:
        return {instrument.symbol: instrument for instrument in bridge.instruments(exchange)}

    for account in accounts:
        try:
            # before SQL is read, since an account that was never looked at books its deposit now
            bridge.portfolio(account.id)
            markets = instruments(account.exchange)
        except NotFound as error:
            _log.warning("account %s was not compared: %s", account.id, error.detail)
            continue
        except EngineUnavailable as error:
            if error.code != "exchange_not_connected":
                raise
            _log.warning("account %s was not compared: %s", account.id, error.detail)
            continue
        yield from _settled(database, bridge, account, markets)


def _settled(
    database: Database, bridge: OctoBotBridge, account: Row[Any], markets: dict[str, wire.Instrument]
) -> list[Difference]:
    """Return what still differs when SQL has stood still around a look at memory."""
    found: list[Difference] | None = None
    for pause in PAUSES:
        time.sleep(pause)
        before = _stored(database, account)
        portfolio, open_orders = bridge.portfolio(account.id), bridge.open_orders(account.id)
        if _stored(database, account) != before:
            continue
        found = [
            *_of_holdings(account, portfolio.currencies, before, markets),
            *_of_orders(account, open_orders, before.orders),
        ]
        if not found:
            return []
    if found is None:
        _log.warning("account %s was not compared: it changes all the time", account.id)
    return found or []


def _stored(database: Database, account: Row[Any]) -> _Stored:
    with database.snapshot() as connection:
        last = connection.execute(select(EventCounter.last_id).where(EventCounter.user_id == account.user_id)).scalar()
        totals = connection.execute(select(Balance.currency, Balance.total).where(Balance.account_id == account.id))
        orders = connection.execute(
            select(Order.__table__).where(Order.account_id == account.id, Order.closed_at.is_(None))
        )
        positions = connection.execute(select(Position.__table__).where(Position.account_id == account.id))
        return _Stored(
            last or 0,
            {row.currency: row.total for row in totals},
            {row.id: order_of(row) for row in orders},
            {row.symbol: row for row in positions},
        )


def _of_holdings(
    account: Row[Any], held: dict[str, wire.Holding], stored: _Stored, markets: dict[str, wire.Instrument]
) -> Iterator[Difference]:
    # what is locked at a live exchange is its own computation, with its fees and what others do there
    computed = account.mode == "paper"
    locks = _locks(account, stored, markets) if computed else {}
    for currency in held.keys() | stored.totals.keys():
        holding, total = held.get(currency, NOTHING), stored.totals.get(currency, ZERO)
        locked = locks.get(currency, ZERO) if computed else holding.locked
        if (holding.total, holding.locked, holding.free) != (total, locked, total - locked) or holding.free < 0:
            told = f"OctoBot {msgspec.to_builtins(holding)}, SQL {total} with {locked} locked"
            yield Difference(check="memory", account=account.id, subject=currency, detail=told)


def _of_orders(account: Row[Any], held: list[wire.Order], stored: dict[str, wire.Order]) -> Iterator[Difference]:
    # a trailing level is stored up to a second late
    memory = {order.id: replace(order, trailing_level=None) for order in held}
    expected = {order.id: replace(order, trailing_level=None) for order in stored.values()}
    for order_id in memory.keys() | expected.keys():
        if memory.get(order_id) != expected.get(order_id):
            told = f"OctoBot {memory.get(order_id)}, SQL {expected.get(order_id)}"
            yield Difference(check="memory", account=account.id, subject=f"order {order_id}", detail=told)


def _locks(account: Row[Any], stored: _Stored, markets: dict[str, wire.Instrument]) -> dict[str, Decimal]:
    resting = [
        order
        for order in stored.orders.values()
        if order.price is not None and (order.type == "limit" or order.triggered_at is not None)
    ]
    return (_spot_locks if account.type == "spot" else _futures_locks)(resting, stored, markets)


def _spot_locks(resting: list[wire.Order], _stored: _Stored, markets: dict[str, wire.Instrument]) -> dict[str, Decimal]:
    """Compute what resting limits need, the taker fee included."""
    locks: dict[str, Decimal] = defaultdict(Decimal)
    for order in resting:
        market = markets[order.symbol]
        if order.side == "buy":
            locks[market.quote] += order.remaining * (order.price or ZERO) * (1 + market.taker_fee)
        else:
            locks[market.base] += order.remaining
    return locks


def _futures_locks(
    resting: list[wire.Order], stored: _Stored, markets: dict[str, wire.Instrument]
) -> dict[str, Decimal]:
    """Compute the margins of positions, and of resting limits that could open one with the taker fee."""
    locks: dict[str, Decimal] = defaultdict(Decimal)
    for position in stored.positions.values():
        locks[markets[position.symbol].settle or ""] += position.margin
    for order in resting:
        if not order.reduce_only:
            market, held = markets[order.symbol], stored.positions.get(order.symbol)
            cost = order.amount * (order.price or ZERO)
            margin = (cost / (held.leverage if held else LEVERAGE)).quantize(MARGIN_DIGITS, ROUND_UP)
            locks[market.settle or ""] += margin + cost * market.taker_fee
    return locks
