"""What every kind of account has in memory, and the hooks that each kind fills in: `spot.py` and others."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from datetime import datetime
from decimal import Decimal
from typing import Self

from engine.accounts.octobot import OctoBotAccount
from engine.journal.records import AccountRecord
from engine.journal.unit import Line, Unit
from engine.markets.market import Market
from engine.orders.drafts import Funds
from engine.orders.risk import Gate
from utils import wire
from utils.errors import Conflict
from utils.wire import Instrument, Leverage, OrderTicket, Portfolio, Preview


class AccountBase(ABC):
    """Hold one account's open orders, its part of OctoBot and its line in the journal."""

    gate: Gate

    def __init__(self, record: AccountRecord, market: Market, octobot: OctoBotAccount) -> None:
        self.record = record
        self.lock = asyncio.Lock()
        self.used_at = time.monotonic()
        self.is_closed = False
        """Whether it has left the memory because it was idle; SQL has all of it."""
        self.line = Line(record.id, record.user_id)
        self.orders: dict[str, wire.Order] = {}
        self.reserved_client_ids: set[str] = set()
        self.octobot = octobot
        self._market = market

    @classmethod
    async def open(cls, record: AccountRecord, market: Market, gate: Gate) -> Self:
        """Build the account in OctoBot with the totals and open orders that SQL has."""
        octobot = await cls._open_octobot(record, market)
        account = cls(record, market, octobot)
        account.gate = gate
        try:
            for order in record.orders:
                await octobot.rest(order, market.mark(order))
                account.orders[order.id] = order
                account.line.statuses[order.id] = order.status
                await asyncio.sleep(0)  # hundreds of orders must not hold up the others
        except BaseException:
            await octobot.close()
            raise
        return account

    # ----------------------------------------------------------------------------------------------- life

    def check_active(self) -> None:
        """Refuse an account that is archived. :raises Conflict: `account_archived`."""
        if self.record.status != "active":
            raise Conflict("The account is archived.", code="account_archived")

    def position(self, instrument: Instrument) -> Decimal:
        """Return what is held of `instrument`, in base units, negative when short."""
        return self.octobot.total(instrument.base)

    def unit(self) -> Unit:
        """Start a unit of work."""
        return Unit(self.line)

    # ------------------------------------------------------------------------- what each kind of account knows

    @classmethod
    @abstractmethod
    async def _open_octobot(cls, record: AccountRecord, market: Market) -> OctoBotAccount:
        """Build the account in OctoBot with everything that SQL has but the open orders."""

    @abstractmethod
    def is_behind(self, now: datetime) -> bool:
        """Tell whether time has done something to the account that is not booked yet."""

    @abstractmethod
    async def catch_up(self, now: datetime, unit: Unit) -> None:
        """Book what time has done to the account; every change finds it up to date."""

    @property
    @abstractmethod
    def trades(self) -> dict[str, wire.Trade]:
        """Return the latest trades since the account came into memory, oldest first."""

    @abstractmethod
    async def book_opening(self, unit: Unit) -> None:
        """Book the starting balance; done once in the life of an account."""

    @abstractmethod
    def closing(self, symbol: str) -> OrderTicket:
        """Return the ticket that closes the position in `symbol`. :raises NotFound: when there is none."""

    @abstractmethod
    async def set_leverage(self, symbol: str, leverage: Decimal, unit: Unit) -> Leverage:
        """Choose the leverage of a market. :raises Refused: it cannot be."""

    @abstractmethod
    def overview(self) -> Portfolio:
        """Value the account now."""

    @abstractmethod
    def preview(self, ticket: OrderTicket) -> Preview:
        """Tell what placing `ticket` would do. :raises NotFound: unknown symbol."""

    @abstractmethod
    def _admit(self, instrument: Instrument) -> None:
        """Hold a market against what the account trades. :raises Refused: it is not among that."""

    @abstractmethod
    def _funds(self, *, without: wire.Order | None = None) -> Funds:
        """Return what the account can pay, as if the open order `without` were not there."""

    @abstractmethod
    def _affords(self, order: wire.Order, price: Decimal) -> bool:
        """Tell whether a triggered order, which has locked nothing so far, can be paid at `price`."""

    @abstractmethod
    async def _execute(self, order: wire.Order, price: Decimal, unit: Unit) -> wire.Order:
        """Fill a new order at `price` as taker, book it, and return the filled order."""

    @abstractmethod
    async def _settle(self, order: wire.Order, price: Decimal, unit: Unit, *, taker: bool) -> wire.Order:
        """Fill an order that OctoBot holds, book it, and return the filled order."""

    @abstractmethod
    def _tell(self, order: wire.Order, unit: Unit) -> None:
        """Tell the owner what the account has of the currency that `order` takes from."""

    @property
    @abstractmethod
    def holds_positions(self) -> bool:
        """Tell whether the account has positions that time goes on working on."""

    @abstractmethod
    def value(self, currency: str, amount: Decimal) -> Decimal | None:
        """Return what `amount` of `currency` is worth in the reference currency; None when no market tells."""

    @abstractmethod
    async def pay_in(self, currency: str, amount: Decimal, value: Decimal, unit: Unit) -> None:
        """Book a deposit that is worth `value`."""

    @abstractmethod
    async def clear(self, unit: Unit) -> None:
        """Book everything away, positions included; there are no open orders any more."""
