"""Book what happens to positions: trades, funding, what the insurance pays, equal to OctoBot to the last digit."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from decimal import Decimal

from engine.accounts.booking import remember
from engine.futures.octobot import FuturesOctoBotAccount
from engine.futures.position import Position
from engine.journal.unit import Unit
from engine.orders import orders
from engine.orders.orders import Fill
from utils import clock, wire
from utils.money import ZERO


class FuturesBooking:
    """Keep the books of one futures account, whose wallet is in one currency."""

    def __init__(self, octobot: FuturesOctoBotAccount, currency: str) -> None:
        self._octobot = octobot
        self._currency = currency
        self.trades: dict[str, wire.Trade] = {}

    async def opening(self, amount: Decimal, unit: Unit) -> None:
        """Book the starting balance as a deposit; done once in the life of an account, and after each reset."""
        await self.deposit(amount, unit)
        unit.settle(deposited=amount)
        unit.sample(amount, amount)

    async def deposit(self, amount: Decimal, unit: Unit) -> None:
        """Book what was paid in."""
        await self._octobot.deposit(self._currency, amount)
        self._book(amount, "deposit", unit)
        self.close(unit)
        self.tell(unit)

    async def fill(
        self, order: wire.Order, execution: Awaitable[Fill], position: Position, unit: Unit
    ) -> tuple[wire.Order, Position]:
        """Let OctoBot execute, book what it did, and return the filled order and the position after it.

        :raises RuntimeError: when OctoBot's wallet or position differs from what would be booked.
        """
        before = self._octobot.total(self._currency)
        fill = await execution
        at = clock.now()
        gain, fee = position.gain(order.side, fill.amount, fill.price), fill.fee.cost
        after = position.filled(order.side, fill.amount, fill.price, fee, at)
        self._verify(before + gain - fee, after)
        realized = gain - fee if position.reduces(order.side) else None
        trade = orders.trade(order, fill, realized, at)
        filled = orders.filled(order, trade)
        unit.order(filled)
        unit.trade(trade)
        remember(self.trades, trade)
        self._book(gain, "pnl", unit, trade)
        self._book(-fee, "fee", unit, trade)
        self.close(unit)
        return filled, after

    async def move(self, amount: Decimal, kind: str, unit: Unit) -> None:
        """Book what comes without a trade: `funding`, or what the `insurance` bears of a loss."""
        await self._octobot.move(amount)
        self._book(amount, kind, unit)
        self.close(unit)

    def close(self, unit: Unit) -> None:
        """Store the wallet after what was booked."""
        unit.balance(self._currency, self._octobot.total(self._currency), None)

    def tell(self, unit: Unit) -> None:
        """Tell the owner what the account has now."""
        free, total = self._octobot.free(self._currency), self._octobot.total(self._currency)
        unit.balance_event({self._currency: {"free": free, "locked": total - free, "total": total}})

    def position(self, position: Position, market: wire.Instrument, account: str, unit: Unit) -> None:
        """Store a position and tell its owner of it."""
        at: datetime = clock.now()
        unit.position(position.row(account, market, at), position.message(account, market, None))

    def _book(self, amount: Decimal, kind: str, unit: Unit, trade: wire.Trade | None = None) -> None:
        unit.book(self._currency, amount, kind, trade, value=amount)

    def _verify(self, wallet: Decimal, position: Position) -> None:
        held = self._octobot.total(self._currency)
        if held != wallet:
            raise RuntimeError(f"OctoBot has {held} {self._currency}, booked are {wallet}")
        size, entry = self._octobot.position(position.symbol)
        if (size, entry) != (position.amount, position.entry_price or ZERO):
            raise RuntimeError(f"OctoBot holds {size} {position.symbol} at {entry}, booked is {position}")
