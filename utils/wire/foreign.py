"""What the process of a strategy whose class is an installed tentacle asks of the engine, over a socket of its own.

Whose strategy it is follows from the socket: what a request says of accounts, exchanges and actors does not count.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from utils.wire.base import Message, Request
from utils.wire.trading import Order, Trade


class Assignment(Message, frozen=True, kw_only=True):
    """What a process is to run: a class of the bot's home, with settings, on markets that are paid in one currency.

    `last_order_at` is when the newest order of the present run was placed: None when it has none yet.
    """

    strategy_class: str
    symbols: list[str]
    settings: dict[str, Any]
    reference_currency: str
    last_order_at: datetime | None


class GetAssignment(Request, frozen=True, kw_only=True):
    """Read what is to be run."""


class GetOrder(Request, frozen=True, kw_only=True):
    """Read an order of the strategy's account."""

    order_id: str


class GetClosedOrders(Request, frozen=True, kw_only=True):
    """Read the strategy's orders that closed last, oldest first."""

    symbol: str | None = None
    limit: int = 100


class GetOwnTrades(Request, frozen=True, kw_only=True):
    """Read the strategy's latest trades, oldest first."""

    symbol: str | None = None
    limit: int = 100


class AddLogEntry(Request, frozen=True, kw_only=True):
    """Add to the strategy's log."""

    level: Literal["info", "warning", "error"]
    message: str


class ReportFault(Request, frozen=True, kw_only=True):
    """End the strategy: its class has failed, and would again."""

    message: str


ForeignRequest = GetAssignment | GetOrder | GetClosedOrders | GetOwnTrades | AddLogEntry | ReportFault

FOREIGN_ANSWERS: dict[type[Request], Any] = {
    GetAssignment: Assignment,
    GetOrder: Order,
    GetClosedOrders: list[Order],
    GetOwnTrades: list[Trade],
    AddLogEntry: None,
    ReportFault: None,
}
