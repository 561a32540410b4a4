"""How tournaments end: one set of prices for all, and accounts that are closed at them."""

from __future__ import annotations

from decimal import Decimal

from utils.errors import Fault
from utils.wire.base import Command, Message, Request

CLOSING = "closing/"
"""How the names begin of the orders that close accounts at the end: no client may name an order so."""


class FreezeTournament(Request, frozen=True, kw_only=True):
    """Look at a tournament anew; if it is over, let nothing of it trade any more and tell the marks of its markets."""

    tournament: str


class Marks(Message, frozen=True, kw_only=True):
    """Mark prices by symbol, of one moment; those of `last_known` are older, for there is none of that moment."""

    marks: dict[str, Decimal]
    last_known: list[str] = []


class CloseEntries(Command, frozen=True, kw_only=True):
    """Cancel all orders of accounts of one tournament, close all they hold at `marks`, and archive them.

    Done already, it is answered alike.
    """

    account: str = ""
    tournament: str
    accounts: list[str]
    marks: dict[str, Decimal]


class ClosedEntry(Message, frozen=True, kw_only=True):
    """An account that was closed, and what it has then; or the fault why it is not."""

    account: str
    value: Decimal | None = None
    fault: Fault | None = None
