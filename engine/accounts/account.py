"""One account in memory: the gate through which all its orders pass, and what prices make of them.

What orders cost, and what a fill books, depends on the kind of account: `engine.accounts.base` names the hooks.
Every coroutine that changes something is called with the account's lock held and fills a `Unit` that the caller
commits. Errors of the domain are raised before anything is changed.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from engine.accounts.base import AccountBase
from engine.journal.unit import Unit
from engine.orders import brackets, drafts, orders, rules
from engine.orders.drafts import Draft
from engine.orders.triggers import Touch, trigger
from utils import clock, wire
from utils.errors import NotFound
from utils.money import ZERO
from utils.wire import (
    IMMEDIATE,
    LIMIT_ON_TRIGGER,
    OrderStatus,
    OrderTicket,
)


class Account(AccountBase):
    """Place, edit and cancel one account's orders, and fill them; its kind knows of money."""

    # ------------------------------------------------------------------------------------------- commands

    def draft(self, ticket: OrderTicket) -> Draft:
        """Work out what `ticket` comes to at the mark price.

        :raises NotFound: unknown symbol. :raises Refused: this kind of account does not trade it.
        """
        instrument = self._market.traded(ticket.symbol)
        self._admit(instrument)
        return drafts.draft(ticket, instrument, self._market.fresh_quote(ticket.symbol).price)

    async def place(self, ticket: OrderTicket, unit: Unit) -> wire.Order:
        """Place an order.

        :raises Refused: a rule forbids it. :raises NotFound: unknown symbol. :raises Conflict: the account is archived.
        """
        await self.gate.seat.check_open()
        self.check_active()
        draft = self.draft(ticket)
        rules.check(draft, self._funds())
        await self.gate.admit(draft, self)
        order = orders.new_order(draft, self.record.id, self.record.mode)
        if draft.takes:
            filled = await self._execute(order, draft.mark, unit)
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
        self._tell(order, unit)
        return order

    async def edit(self, command: wire.EditOrder, unit: Unit) -> wire.Order:
        """Change an open order; what becomes marketable fills at the mark price.

        :raises NotFound: unknown id. :raises Refused: a field does not belong to the type, or a rule forbids it.
        """
        order = self._open_order(command.order_id)
        await self.gate.seat.check_open()
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
        self._tell(changed, unit)
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
        if self.gate.switch is not None or self.gate.seat.is_over:
            return  # it waits to be canceled
        mark = touch.mark
        price, above = trigger(order)
        if (mark < price) if above else (mark > price):
            return
        if orders.rests_as_limit(order):
            await self._fill(order, price, unit, taker=False)
            return
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
        order = replace(order, triggered_at=clock.now(), updated_at=clock.now())
        draft = drafts.draft(orders.ticket_of(order), self._market.instrument(order.symbol), mark)
        # asked for before anything is changed: there may be no answer
        objection = await self.gate.objection(draft, self, order)
        self.orders[order.id] = order
        # next, since the pair's funds are locked by the other one
        await self._cancel_siblings(order, unit)
        limit = order.price if order.type in LIMIT_ON_TRIGGER else None
        at_market = limit is None or drafts.is_marketable(order.side, limit, mark)
        price = mark if at_market or limit is None else limit
        if objection is not None:
            await self._close(order, "canceled", unit, reject_code=objection.code)
        elif not self._affords(order, price):
            await self._close(order, "canceled", unit, reject_code="insufficient_funds")
        elif at_market:
            await self._fill(order, mark, unit, taker=True)
        elif order.time_in_force in IMMEDIATE:
            await self._close(order, "expired", unit)
        else:
            await self.octobot.cancel(order.id)
            await self._rest(order, mark, unit)
            self._tell(order, unit)

    # ------------------------------------------------------------------------------------------ execution

    async def _rest(self, order: wire.Order, mark: Decimal, unit: Unit) -> None:
        await self.octobot.rest(order, mark)
        self.orders[order.id] = order
        unit.order(order)

    async def _fill(self, order: wire.Order, price: Decimal, unit: Unit, *, taker: bool) -> wire.Order:
        await self._cancel_siblings(order, unit)
        del self.orders[order.id]
        filled = await self._settle(order, price, unit, taker=taker)
        await self._place_exits(filled, unit)
        return filled

    async def _place_exits(self, entry: wire.Order, unit: Unit) -> None:
        """Place the exits of a bracket in the unit of its entry's fill."""
        if not entry.exits:
            return
        market, mark = self._market.instrument(entry.symbol), self._market.quote(entry.symbol).price
        taking, made = None, brackets.exits(entry, market, entry.filled)
        for order in list(made):
            if order.type == "limit" and not self._affords(order, order.price or ZERO):
                # others took what was there when the entry was placed
                made = [replace(other, group_id=None) for other in made if other is not order]
                unit.order(replace(order, group_id=None, status="rejected", reject_code="insufficient_funds"))
        for order in made:
            await self._rest(order, mark, unit)
            if order.type == "limit" and drafts.is_marketable(order.side, order.price, mark):
                taking = order  # the market is beyond it already: take its price, not the limit's
            self._tell(order, unit)
        if taking is not None:
            await self._fill(taking, mark, unit, taker=True)

    async def _close(
        self, order: wire.Order, status: OrderStatus, unit: Unit, *, reject_code: str | None = None
    ) -> wire.Order:
        await self.octobot.cancel(order.id)
        del self.orders[order.id]
        return self._closed(order, status, unit, reject_code)

    def _closed(self, order: wire.Order, status: OrderStatus, unit: Unit, reject_code: str | None) -> wire.Order:
        closed = replace(order, status=status, reject_code=reject_code, updated_at=clock.now())
        unit.order(closed)
        self._tell(order, unit)
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
        rules.check(draft, self._funds(without=order))
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
