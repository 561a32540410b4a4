"""Checks of strategies: what moves between accounts of one owner, and what is left where nothing should be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from sqlalchemy import Connection, and_, func, select

from models import Account, Balance, LedgerEntry, Order, Strategy
from services.verification.difference import Difference
from utils.money import plain
from utils.wire import FUNDED_STATES


def transfers(connection: Connection) -> Iterator[Difference]:
    """Check that what a user moved from account to account arrived: of each currency as much came as went."""
    query = select(Account.user_id, LedgerEntry.currency, LedgerEntry.amount)
    query = query.join(Account, Account.id == LedgerEntry.account_id).where(LedgerEntry.kind == "transfer")
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for user_id, currency, amount in connection.execute(query):
        sums[user_id, currency] += amount
    for (user_id, currency), left in sums.items():
        if left:
            told = f"{plain(left)} {currency} came from nowhere, or went there"
            yield Difference(check="transfer", account=None, subject=f"user {user_id}", detail=told)


def leftovers(connection: Connection) -> Iterator[Difference]:
    """Check that a strategy on paper that is not funded holds nothing and waits for nothing."""
    idle = and_(Strategy.state.not_in(FUNDED_STATES), Account.mode == "paper")
    held = select(Strategy.account_id, Strategy.name, Strategy.state, Balance.currency, Balance.total)
    held = held.join(Account, Account.id == Strategy.account_id)
    held = held.join(Balance, Balance.account_id == Strategy.account_id).where(idle, Balance.total != Decimal(0))
    for account, name, state, currency, total in connection.execute(held):
        told = f"{state}, but holds {plain(total)} {currency}"
        yield Difference(check="strategy_money", account=account, subject=f"strategy {name}", detail=told)
    waiting = select(Strategy.account_id, Strategy.name, Strategy.state, func.count())
    waiting = waiting.join(Order, Order.account_id == Strategy.account_id).where(
        Strategy.state != "running", Order.closed_at.is_(None), Order.status != "pending_cancel"
    )
    for account, name, state, count in connection.execute(
        waiting.group_by(Strategy.account_id, Strategy.name, Strategy.state)
    ):
        told = f"{state}, but has {count} open orders"
        yield Difference(check="strategy_orders", account=account, subject=f"strategy {name}", detail=told)
