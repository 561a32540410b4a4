"""Checks of money: the ledger, balances, locks and positions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, literal, or_, select, union_all

from models import Account, Balance, LedgerEntry, Order, Position, Trade
from services.verification.difference import Difference
from utils.money import ZERO, plain

HOLDING = ("accepted", "partially_filled", "pending_cancel")
"""Statuses in which an order has its funds locked for certain."""


def balances(connection: Connection) -> Iterator[Difference]:
    """Check that every balance is the sum of its ledger entries, and none is negative."""
    entries = select(LedgerEntry.account_id, LedgerEntry.currency, LedgerEntry.amount, literal("entry").label("kind"))
    totals = select(Balance.account_id, Balance.currency, Balance.total, literal("total").label("kind"))
    both = union_all(entries, totals).order_by("account_id", "currency")
    for (account, currency), rows in groupby(connection.execute(both), attrgetter("account_id", "currency")):
        ledger, total = ZERO, None
        for row in rows:
            if row.kind == "entry":
                ledger += row.amount
            else:
                total = row.amount
        if ledger != (total or ZERO):
            told = "none" if total is None else plain(total)
            yield _difference("ledger", account, currency, f"ledger {plain(ledger)}, balance {told}")
        if total is not None and total < 0:
            yield _difference("negative_balance", account, currency, f"balance {plain(total)}")


def bookings(connection: Connection) -> Iterator[Difference]:
    """Check that the ledger has every fill with its amount, cost and fee; of a perpetual, with what it led to."""
    query = (
        select(Trade.__table__, LedgerEntry.currency.label("booked"), LedgerEntry.amount.label("booked_amount"))
        .join_from(Trade, LedgerEntry, LedgerEntry.trade_id == Trade.id, isouter=True)
        .order_by(Trade.id)
    )
    for trade_id, rows in groupby(connection.execute(query), attrgetter("id")):
        booked: dict[str, Decimal] = defaultdict(Decimal)
        for row in rows:
            if row.booked is not None:
                booked[row.booked] += row.booked_amount
        trade = row
        expected = _moves(trade)
        if ":" in trade.symbol:
            # the gain belongs to the position: what is certain is that a fee was taken
            wrong = bool(trade.fee_cost) and not booked
        else:
            wrong = any(booked[currency] != expected[currency] for currency in booked.keys() | expected.keys())
        if wrong:
            told = f"fill {_amounts(expected)}, ledger {_amounts(booked)}"
            yield _difference("booking", trade.account_id, f"trade {trade_id}", told)


def strays(connection: Connection) -> Iterator[Difference]:
    """Check that no ledger entry and no trade names something that does not exist."""
    entry = select(LedgerEntry.account_id, LedgerEntry.id, LedgerEntry.trade_id, LedgerEntry.order_id)
    for named, table in ((LedgerEntry.trade_id, Trade), (LedgerEntry.order_id, Order)):
        lost = entry.join(table, table.id == named, isouter=True).where(named.is_not(None), table.id.is_(None))
        for row in connection.execute(lost):
            told = f"names trade {row.trade_id} of order {row.order_id}, which is missing"
            yield _difference("stray", row.account_id, f"ledger entry {row.id}", told)
    orphans = (
        select(Trade.account_id, Trade.id, Trade.order_id)
        .join(Order, Order.id == Trade.order_id, isouter=True)
        .where(or_(Order.id.is_(None), Order.account_id != Trade.account_id))
    )
    for account, trade_id, order_id in connection.execute(orphans):
        yield _difference("stray", account, f"trade {trade_id}", f"the account has no order {order_id}")


def locks(connection: Connection) -> Iterator[Difference]:
    """Open spot orders lock no more than there is. Fees are left out: the exchange's rates are not in SQL."""
    query = (
        select(Order.account_id, Order.symbol, Order.side, Order.amount, Order.filled, Order.price)
        .join(Account, Account.id == Order.account_id)
        .where(
            Account.type == "spot",
            Order.closed_at.is_(None),
            Order.status.in_(HOLDING),
            Order.price.is_not(None),
            # what waits for a trigger locks nothing yet
            or_(Order.type == "limit", Order.triggered_at.is_not(None)),
        )
    )
    locked: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in connection.execute(query):
        base, quote = row.symbol.split("/")
        rest = row.amount - row.filled
        locked[(row.account_id, quote if row.side == "buy" else base)] += rest * (row.price if row.side == "buy" else 1)
    yield from _missing(connection, locked)


def positions(connection: Connection) -> Iterator[Difference]:
    """Check that a paper position is the sum of its fills since the last reset."""
    fills = (
        select(Trade.account_id, Trade.symbol, Trade.amount, Trade.side)
        .join(Account, Account.id == Trade.account_id)
        .where(
            Account.mode == "paper",
            Trade.symbol.contains(":"),
            or_(Account.reset_at.is_(None), Trade.created_at >= Account.reset_at),
        )
    )
    held = (
        select(Position.account_id, Position.symbol, Position.amount, literal("held").label("side"))
        .join(Account, Account.id == Position.account_id)
        .where(Account.mode == "paper")
    )
    both = union_all(fills, held).order_by("account_id", "symbol")
    for (account, symbol), rows in groupby(connection.execute(both), attrgetter("account_id", "symbol")):
        traded, amount = ZERO, ZERO
        for row in rows:
            if row.side == "held":
                amount = row.amount
            else:
                traded += row.amount if row.side == "buy" else -row.amount
        if traded != amount:
            yield _difference("position", account, symbol, f"position {plain(amount)}, fills {plain(traded)}")


def margins(connection: Connection) -> Iterator[Difference]:
    """Open positions have an entry price and a margin that is there, closed ones have neither."""
    needed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in connection.execute(select(Position.__table__)):
        needed[row.account_id, row.symbol.rpartition(":")[2]] += row.margin
        if (row.amount == 0) != (row.entry_price is None) or row.margin < 0 or (row.amount == 0 and row.margin != 0):
            told = f"amount {plain(row.amount)} with entry price {row.entry_price} and margin {plain(row.margin)}"
            yield _difference("margin", row.account_id, row.symbol, told)
    yield from _missing(connection, needed)


def _moves(trade: Row[Any]) -> dict[str, Decimal]:
    """Return what a spot fill moves, by currency."""
    moves: dict[str, Decimal] = defaultdict(Decimal)
    base, _, quote = trade.symbol.partition(":")[0].partition("/")
    sign = 1 if trade.side == "buy" else -1
    moves[base] += sign * trade.amount
    moves[quote] -= sign * trade.cost
    if trade.fee_currency is not None:
        moves[trade.fee_currency] -= trade.fee_cost
    return moves


def _amounts(moves: dict[str, Decimal]) -> str:
    return ", ".join(f"{plain(amount)} {currency}" for currency, amount in sorted(moves.items()) if amount) or "nothing"


def _missing(connection: Connection, locked: dict[tuple[str, str], Decimal]) -> Iterator[Difference]:
    totals = dict.fromkeys(locked, ZERO)
    for account, currency, total in connection.execute(select(Balance.account_id, Balance.currency, Balance.total)):
        if (account, currency) in totals:
            totals[account, currency] = total
    for (account, currency), needed in locked.items():
        if needed > totals[account, currency] and needed > 0:
            told = f"locked {plain(needed)}, balance {plain(totals[account, currency])}"
            yield _difference("lock", account, currency, told)


def _difference(check: str, account: str, subject: str, detail: str) -> Difference:
    return Difference(check=check, account=account, subject=subject, detail=detail)
