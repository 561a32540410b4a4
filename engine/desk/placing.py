"""How commands place an order: its name in the audit log, and its ticket, which is made while the account is locked."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.accounts.account import Account
from utils import wire


class Placing(NamedTuple):
    """How an order comes to be."""

    action: str
    ticket: Callable[[Account], wire.OrderTicket]
    symbol: str
    reduce_only: bool
    client_order_id: str | None = None
    type: wire.OrderType = "market"


def of_ticket(ticket: wire.OrderTicket) -> Placing:
    """Return how a ticket becomes an order."""
    return Placing(
        "order.place", lambda _: ticket, ticket.symbol, ticket.reduce_only, ticket.client_order_id, ticket.type
    )


def of_closing(symbol: str) -> Placing:
    """Return how the position in a market is closed: by an order of its size."""
    return Placing("position.close", lambda account: account.closing(symbol), symbol, reduce_only=True)
