"""One account in memory: the gate through which all its orders pass, and what prices make of them.

Every coroutine that changes something is called with the account's lock held and fills a `Unit` that the caller
commits. Errors of the domain are raised before anything is changed.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from engine import brackets, orders, rules
from engine.booking import Booking
from engine.market import Market
from engine.octobot_account import OctoBotAccount
from engine.records import AccountRecord
from engine.risk import Gate
from engine.rules import Draft
from engine.triggers import Touch, trigger
from engine.unit import Line, Unit
from engine.valuation import Valuation
from models.records import limits_row
from utils import clock, wire
from utils.errors import NotFound
from utils.money import ZERO
from utils.wire import IMMEDIATE, LIMIT_ON_TRIGGER, Instrument, OrderStatus, OrderTicket


class Account:
    """Hold one account's open orders and portfolio."""

    def __init__(self, record: AccountRecord, market: Market, octobot: OctoBotAccount, gate: Gate) -> None:
        self.record = record
        self.gate = gate
        self.lock = asyncio.Lock()
        self.line = Line(record.id, record.user_id)
        self.orders: dict[str, wire.Order] = {}
        self.reserved_client_ids: set[str] = set()
        self.octobot = octobot
        self.valuation = Valuation(record.reference_currency, market, dict(record.entry_prices))
        self._booking = Booking(octobot, market, self.valuation)
        self._market = market

    @classmethod
    async def open(cls, record: AccountRecord, market: Market, gate: Gate) -> Account:
        """Build the account in OctoBot with the totals and open orders that SQL has."""
        octobot = await OctoBotAccount.open(
            record.exchange, list(market.instruments), record.reference_currency, record.totals, record.id
        )
        account = cls(record, market, octobot, gate)
        try:
            for order in record.orders:
                await octobot.rest(order, market.quote(order.symbol).price)
                account.orders[order.id] = order
                account.line.statuses[order.id] = order.status
                await asyncio.sleep(0)  # hundreds of orders must not hold up the others
        except BaseException:
            await octobot.close()
            raise
        return account

    @property
    def trades(self) -> dict[str, wire.Trade]:
        """Return the latest trades since the account came into memory, oldest first."""
        return self._booking.trades

    def position(self, instrument: Instrument) -> Decimal:
        """Return what is held of `instrument`, in base units."""
        return self.octobot.total(instrument.base)

    def equity(self) -> Decimal:
        """Return what everything is worth at mark prices."""
        held = ((currency, self.octobot.total(currency)) for currency in self.octobot.currencies())
        return sum((self.valuation.value(currency, total) or ZERO for currency, total in held), ZERO)

    def unit(self) -> Unit:
        """Start a unit of work."""
        return Unit(self.line)

    async def book_opening(self, unit: Unit) -> None:
        """Book the starting balance; done once in the life of an account."""
        await self._booking.opening(self.record.reference_currency, self.record.starting_balance, unit)

    # ------------------------------------------------------------------------------------------- commands

    def draft(self, ticket: OrderTicket) -> Draft:
        """Work out what `ticket` comes to at the mark price. :raises NotFound: unknown symbol."""
        return rules.draft(ticket, self._market.instrument(ticket.symbol), self._market.quote(ticket.symbol).price)

    async def set_limits(self, limits: wire.RiskLimits, unit: Unit) -> wire.RiskLimits:
        """Replace the account's risk limits; they hold for the next order."""
        self.gate.limits = replace(limits, updated_at=clock.now())
        unit.limits.append(limits_row(self.gate.limits, self.record.id))
        return self.gate.limits

    async def place(self, ticket: OrderTicket, unit: Unit) -> wire.Order:
        """Place an order. :raises Refused: a rule forbids it. :raises NotFound: unknown symbol."""
        draft = self.draft(ticket)
        rules.check(draft, self.octobot)
        await self.gate.admit(draft, self)
        order = orders.new_order(draft, self.record.id, self.record.mode)
        if draft.takes:
            filled = await self._booking.fill(order, self.octobot.execute(order, draft.mark), unit)
            await self._place_exits(filled, unit)
            return filled
        if ticket.type == "limit" and ticket.time_in_force in IMMEDIATE:
            expired = replace(order, status="expired")
            unit.order(expired)
            return expired
        await self._rest(order, draft.mark, unit)
        second = orders.oco_stop(draft, order)
        if second is not None:
            await self._rest(second, draft.mark, unit)
        self._booking.tell([draft.needs()[0]], unit)
        return order

    async def edit(self, command: wire.EditOrder, unit: Unit) -> wire.Order:
        """Change an open order; what becomes marketable fills at the mark price.

        :raises NotFound: unknown id. :raises Refused: a field does not belong to the type, or a rule forbids it.
        """
        order = self._open_order(command.order_id)
        changed, draft = self._edited(order, command)
        others = []
        if command.amount is not None:
            amount = wire.EditOrder(
                actor=command.actor, account=command.account, order_id=order.id, amount=command.amount
            )
            others = [self._edited(other, amount) for other in self._siblings(order)]
        await self.gate.admit(draft, self, edited=order)
        await self._alter(changed, draft.mark)
        if orders.rests_as_limit(changed) and draft.is_marketable:
            return await self._fill(changed, draft.mark, unit, taker=True)
        unit.order(changed)
        for other, other_draft in others:
            await self._alter(other, other_draft.mark)
            unit.order(other)
        self._booking.tell([draft.needs()[0]], unit)
        return changed

    async def cancel(self, order_id: str, unit: Unit, *, status: OrderStatus = "canceled") -> wire.Order:
        """Cancel an open order and the others of its group. :raises NotFound: unknown id."""
        order = await self._close(self._open_order(order_id), status, unit)
        await self._cancel_siblings(order, unit)
        return order

    # ------------------------------------------------------------------------------------------- triggers

    async def act(self, order_id: str, touch: Touch, unit: Unit) -> None:
        """Do what `touch` makes of an open order: fill it, or let a triggered stop rest. Otherwise do nothing."""
        order = self.orders.get(order_id)
        if order is None or order.updated_at > touch.at:
            return  # what it is now was held against a later price than this
        if orders.is_expired(order, touch.at):
            await self.cancel(order_id, unit, status="expired")
            return
        if self.gate.switch is not None:
            return  # it waits to be canceled
        mark = touch.mark
        price, above = trigger(order)
        if (mark < price) if above else (mark > price):
            return
        if orders.rests_as_limit(order):
            await self._fill(order, price, unit, taker=False)
            return
        order = replace(order, triggered_at=clock.now(), updated_at=clock.now())
        self.orders[order.id] = order
        # first, since the pair's funds are locked by the other one
        await self._cancel_siblings(order, unit)
        await self._trigger(order, mark, unit)

    async def expire(self, order_id: str, moment: datetime, unit: Unit) -> None:
        """Expire a day order whose day is over at `moment`."""
        order = self.orders.get(order_id)
        if order is not None and orders.is_expired(order, moment):
            await self.cancel(order_id, unit, status="expired")

    def trail(self, order_id: str, level: Decimal) -> wire.Order | None:
        """Move a trailing order's level, never back, and return the order; None when it is not waiting any more."""
        order = self.orders.get(order_id)
        if order is None or order.trailing_level is None or order.triggered_at is not None:
            return None
        best = max if order.side == "sell" else min
        self.orders[order_id] = replace(order, trailing_level=best(level, order.trailing_level))
        return self.orders[order_id]

    async def _trigger(self, order: wire.Order, mark: Decimal, unit: Unit) -> None:
        limit = order.price if order.type in LIMIT_ON_TRIGGER else None
        at_market = limit is None or rules.is_marketable(order.side, limit, mark)
        price = mark if at_market or limit is None else limit
        currency, needed = orders.needs(order, price, self._market.instrument(order.symbol))
        draft = rules.draft(orders.ticket_of(order), self._market.instrument(order.symbol), mark)
        objection = await self.gate.objection(draft, self, order)
        if objection is not None:
            await self._close(order, "canceled", unit, reject_code=objection.code)
        elif needed > self.octobot.free(currency):
            await self._close(order, "canceled", unit, reject_code="insufficient_funds")
        elif at_market:
            await self._fill(order, mark, unit, taker=True)
        elif order.time_in_force in IMMEDIATE:
            await self._close(order, "expired", unit)
        else:
            await self.octobot.cancel(order.id)
            await self._rest(order, mark, unit)
            self._booking.tell([currency], unit)

    # ------------------------------------------------------------------------------------------ execution

    async def _rest(self, order: wire.Order, mark: Decimal, unit: Unit) -> None:
        await self.octobot.rest(order, mark)
        self.orders[order.id] = order
        unit.order(order)

    async def _fill(self, order: wire.Order, price: Decimal, unit: Unit, *, taker: bool) -> wire.Order:
        await self._cancel_siblings(order, unit)
        del self.orders[order.id]
        filled = await self._booking.fill(order, self.octobot.fill(order.id, price, taker=taker), unit)
        await self._place_exits(filled, unit)
        return filled

    async def _place_exits(self, entry: wire.Order, unit: Unit) -> None:
        """Place the exits of a bracket in the unit of its entry's fill."""
        if not entry.exits:
            return
        market, mark = self._market.instrument(entry.symbol), self._market.quote(entry.symbol).price
        taking = None
        for order in brackets.exits(entry, market, entry.filled):
            currency, needed = orders.needs(order, order.price or ZERO, market)
            if order.type == "limit" and needed > self.octobot.free(currency):
                # others took what was there when the entry was placed
                unit.order(replace(order, status="rejected", reject_code="insufficient_funds"))
                continue
            await self._rest(order, mark, unit)
            if order.type == "limit" and rules.is_marketable(order.side, order.price, mark):
                taking = order  # the market is beyond it already: take its price, not the limit's
            self._booking.tell([currency], unit)
        if taking is not None:
            await self._fill(taking, mark, unit, taker=True)

    async def _close(
        self, order: wire.Order, status: OrderStatus, unit: Unit, *, reject_code: str | None = None
    ) -> wire.Order:
        await self.octobot.cancel(order.id)
        del self.orders[order.id]
        closed = replace(order, status=status, reject_code=reject_code, updated_at=clock.now())
        unit.order(closed)
        self._booking.tell([self._lock_of(order)[0]], unit)
        return closed

    async def _cancel_siblings(self, order: wire.Order, unit: Unit) -> None:
        for other in self._siblings(order):
            await self._close(other, "canceled", unit)

    def _siblings(self, order: wire.Order) -> list[wire.Order]:
        if order.group_id is None:
            return []
        return [other for other in self.orders.values() if other.group_id == order.group_id and other.id != order.id]

    def _edited(self, order: wire.Order, command: wire.EditOrder) -> tuple[wire.Order, Draft]:
        """Return what an open order would become. :raises Refused: a rule forbids it."""
        changed = orders.edited(order, command)
        draft = self.draft(orders.ticket_of(changed))
        rules.check(draft, _Released(self.octobot, *self._lock_of(order)))
        return changed, draft

    async def _alter(self, changed: wire.Order, mark: Decimal) -> None:
        self.orders[changed.id] = changed
        price = changed.price if orders.rests_as_limit(changed) else changed.stop_price
        await self.octobot.edit(changed.id, amount=changed.amount, price=price or mark)

    def _open_order(self, order_id: str) -> wire.Order:
        try:
            return self.orders[order_id]
        except KeyError:
            raise NotFound("There is no such order.", code="order_not_found") from None

    def _lock_of(self, order: wire.Order) -> tuple[str, Decimal]:
        """Return the currency an open order takes from, and what of it is locked now."""
        currency, needed = orders.needs(order, order.price or ZERO, self._market.instrument(order.symbol))
        return currency, needed if orders.rests_as_limit(order) else ZERO


class _Released:
    """The account's funds as they would be without the lock of one order."""

    def __init__(self, octobot: OctoBotAccount, currency: str, amount: Decimal) -> None:
        self._octobot = octobot
        self._currency = currency
        self._amount = amount

    def free(self, currency: str) -> Decimal:
        return self._octobot.free(currency) + (self._amount if currency == self._currency else ZERO)

    def total(self, currency: str) -> Decimal:
        return self._octobot.total(currency)
