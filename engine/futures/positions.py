"""The positions of a futures account: every fill moves one, margins stay locked, and orders that reduce follow."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from msgspec.structs import replace

from engine.accounts.account import Account
from engine.futures.booking import FuturesBooking
from engine.futures.funds import FuturesFunds
from engine.futures.markets import check_tradable, stored, tradable
from engine.futures.octobot import FuturesOctoBotAccount
from engine.futures.position import Position
from engine.journal.records import AccountRecord
from engine.journal.unit import Unit
from engine.markets.market import Market
from engine.orders.risk import Gate
from utils import clock, wire
from utils.money import ZERO
from utils.wire import Instrument, OrderStatus


class HeldPositions(Account):
    """Keep positions in step with orders; what an owner or time does with them is for `FuturesAccount`."""

    octobot: FuturesOctoBotAccount

    def __init__(self, record: AccountRecord, market: Market, octobot: FuturesOctoBotAccount) -> None:
        super().__init__(record, market, octobot)
        self._markets = tradable(market, record.reference_currency)
        self.positions = stored(record, self._markets)
        self._booking = FuturesBooking(octobot, record.reference_currency)

    @classmethod
    async def _open_octobot(cls, record: AccountRecord, market: Market) -> FuturesOctoBotAccount:
        currency, markets = record.reference_currency, tradable(market, record.reference_currency)
        octobot = await FuturesOctoBotAccount.open(
            market.octobot_name, list(markets), currency, record.totals, record.id
        )
        octobot.settle = currency
        for position in stored(record, markets).values():
            await octobot.restore(position)
        return octobot

    @classmethod
    async def open(cls, record: AccountRecord, market: Market, gate: Gate) -> Self:
        """Build the account in OctoBot as SQL has it."""
        account = await super().open(record, market, gate)
        account._relock()
        return account

    @property
    def trades(self) -> dict[str, wire.Trade]:
        """Return the latest trades since the account came into memory, oldest first."""
        return self._booking.trades

    @property
    def holds_positions(self) -> bool:
        """Tell whether a position is open."""
        return bool(self._open_positions())

    def position(self, instrument: Instrument) -> Decimal:
        """Return the position in `instrument`, in base units, negative when short."""
        held = self.positions.get(instrument.symbol)
        return ZERO if held is None else held.amount

    def value(self, currency: str, amount: Decimal) -> Decimal | None:
        """Return `amount` of the wallet's currency; None of any other."""
        return amount if currency == self.record.reference_currency else None

    def held(self) -> list[str]:
        """Return the markets in which there is a position."""
        return [position.symbol for position in self._open_positions()]

    # -------------------------------------------------------------------------------------------- the hooks

    def _admit(self, instrument: Instrument) -> None:
        check_tradable(instrument, self._markets, self.record.reference_currency)

    def _funds(self, *, without: wire.Order | None = None) -> FuturesFunds:
        return FuturesFunds(self._wallet, self.positions, self.orders.values(), self._markets, without)

    def _affords(self, order: wire.Order, price: Decimal) -> bool:
        return order.reduce_only or self._funds(without=order).affords(order, price)

    async def _execute(self, order: wire.Order, price: Decimal, unit: Unit) -> wire.Order:
        position = self.positions[order.symbol]
        filled, after = await self._booking.fill(order, self.octobot.execute(order, price), position, unit)
        await self._after_fill(after, unit)
        return filled

    async def _settle(self, order: wire.Order, price: Decimal, unit: Unit, *, taker: bool) -> wire.Order:
        position = self.positions[order.symbol]
        execution = self.octobot.fill(order.id, price, taker=taker)
        filled, after = await self._booking.fill(order, execution, position, unit)
        await self._after_fill(after, unit)
        return filled

    def _tell(self, order: wire.Order, unit: Unit) -> None:  # noqa: ARG002
        self._booking.tell(unit)

    async def _rest(self, order: wire.Order, mark: Decimal, unit: Unit) -> None:
        await super()._rest(order, mark, unit)
        self._relock()

    async def _alter(self, changed: wire.Order, mark: Decimal) -> None:
        await super()._alter(changed, mark)
        self._relock()

    async def _close(
        self, order: wire.Order, status: OrderStatus, unit: Unit, *, reject_code: str | None = None
    ) -> wire.Order:
        await self.octobot.cancel(order.id)
        del self.orders[order.id]
        self._relock()
        return self._closed(order, status, unit, reject_code)

    # ------------------------------------------------------------------------------------------- what follows a fill

    async def _place_exits(self, entry: wire.Order, unit: Unit) -> None:
        await super()._place_exits(entry, unit)
        # an entry that closed something on its way opened less than it filled
        await self._shrink(self.positions[entry.symbol], unit)

    async def _after_fill(self, position: Position, unit: Unit) -> None:
        self._keep(position, unit)
        self._booking.tell(unit)
        await self._shrink(position, unit)

    async def _shrink(self, position: Position, unit: Unit) -> None:
        """Cut the orders that may only reduce to what is left of the position, or cancel them."""
        for order in [o for o in self.orders.values() if o.symbol == position.symbol and o.reduce_only]:
            if order.id not in self.orders or (position.reduces(order.side) and order.amount <= abs(position.amount)):
                continue
            if not position.reduces(order.side):
                await self._close(order, "canceled", unit, reject_code="reduce_only")
                continue
            left = abs(position.amount)
            cut = replace(order, amount=left, remaining=left - order.filled, updated_at=clock.now())
            await self._alter(cut, self._market.quote(order.symbol).price)
            unit.order(cut)

    def _keep(self, position: Position, unit: Unit) -> None:
        self.positions[position.symbol] = position
        self._relock()
        self._booking.position(position, self._markets[position.symbol], self.record.id, unit)

    def _relock(self) -> None:
        funds = self._funds()
        self.octobot.lock(funds.positions_margin(), funds.orders_margin())

    @property
    def _wallet(self) -> Decimal:
        return self.octobot.total(self.record.reference_currency)

    def _open_positions(self) -> list[Position]:
        return [position for position in self.positions.values() if position.amount]
