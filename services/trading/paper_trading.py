"""Trading on a paper account alone, for clients that ask for nothing else: the same orders, told in their words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from services.accounts.accounts import Account, Accounts
from services.accounts.portfolio import Portfolios
from services.principals import Principal
from services.trading.filters import Filters
from services.trading.orders import Orders
from services.trading.positions import Positions
from utils.errors import Conflict
from utils.money import ZERO
from utils.pages import Page
from utils.wire import Actor, Order, OrderTicket

MESSAGES = {
    "pending_new": "The order is being placed.",
    "accepted": "The order is open.",
    "partially_filled": "The order is filled in part.",
    "filled": "The order is filled.",
    "pending_cancel": "The order is being canceled.",
    "canceled": "The order is canceled.",
    "expired": "The order has expired.",
    "rejected": "The order was rejected.",
    "replaced": "Another order took the place of this one.",
    "unknown": "It is not known yet what became of the order.",
}
"""What is told of an order in each status."""


class PaperTrading:
    """Trade on the caller's paper account, the main one for None.

    All methods raise `NotFound` for an account that is not the caller's, and `Conflict` with `account_not_paper` for a
    live one.
    """

    def __init__(self, accounts: Accounts, orders: Orders, positions: Positions, portfolios: Portfolios) -> None:
        self._accounts = accounts
        self._orders = orders
        self._positions = positions
        self._portfolios = portfolios

    def place(
        self, principal: Principal, actor: Actor, account: str | None, ticket: OrderTicket, key: str | None
    ) -> dict[str, Any]:
        """Place an order, as `Orders.place` does."""
        paper = self._paper(principal, account)
        return told(self._orders.place(principal, actor, paper.id, ticket, key))

    def orders(self, principal: Principal, filters: Filters) -> Page[dict[str, Any]]:
        """Return a page of the account's orders."""
        paper = self._paper(principal, filters.account)
        page = self._orders.list(principal, replace(filters, account=paper.id))
        return Page([told(order) for order in page.items], page.limit, page.next_cursor)

    def positions(self, principal: Principal, account: str | None) -> list[dict[str, Any]]:
        """Return the account's positions, each with the `id` that closes it."""
        positions = self._portfolios.positions(principal, self._paper(principal, account).id)
        return [{"id": each.symbol.replace("/", "-"), **msgspec.structs.asdict(each)} for each in positions]

    def close(
        self, principal: Principal, actor: Actor, symbol: str, account: str | None, key: str | None
    ) -> dict[str, Any]:
        """Close a position at the market, as `Positions.close` does."""
        paper = self._paper(principal, account)
        return told(self._positions.close(principal, actor, symbol, paper.id, key))

    def wallet(self, principal: Principal, account: str | None) -> dict[str, Any]:
        """Return what the account holds, and what of its reference currency is free and locked."""
        balance = self._portfolios.balance(principal, self._paper(principal, account).id)
        cash = balance.currencies.get(balance.reference_currency)
        free: Decimal = cash.free if cash is not None else ZERO
        locked: Decimal = cash.locked if cash is not None else ZERO
        return {**msgspec.structs.asdict(balance), "available": free, "locked": locked}

    def _paper(self, principal: Principal, account: str | None) -> Account:
        owned = self._accounts.owned(principal, account)
        if owned.mode != "paper":
            raise Conflict("This is a live account.", code="account_not_paper")
        return owned


def told(order: Order) -> dict[str, Any]:
    """Return an order with the names that clients of paper trading read."""
    return {**msgspec.structs.asdict(order), "order_id": order.id, "message": MESSAGES[order.status]}
