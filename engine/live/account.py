"""A live account in memory: intents go out from here, and what the exchange says of them comes in.

As in `engine.account`, every method that changes something is called with the account's lock held and fills a `Unit`
that the caller commits. Nothing here waits for the exchange but `book_opening`, before the account is shared.
"""

from __future__ import annotations

import time
from decimal import Decimal

from msgspec.structs import replace

from engine import orders, rules
from engine.exchanges.venue import Venue
from engine.live import kinds, states
from engine.live.absence import Absences
from engine.live.booking import LiveBooking
from engine.live.difference import Differences, Held, locks
from engine.live.held import HoldingAccount
from engine.live.keys import Keys
from engine.live.octobot import LiveOctoBot
from engine.live.outcomes import ExchangeFill, ExchangeOrder, Refusal, Unknown
from engine.live.pages import Page
from engine.live.trader import LiveTrader, Unreachable
from engine.market import Market
from engine.records import AccountRecord
from engine.unit import Unit
from utils import clock, wire
from utils.errors import EngineUnavailable, Refused
from utils.money import ZERO
from utils.wire import CONDITIONAL, FINAL_STATUSES, UNCERTAIN_STATUSES, OrderTicket


class LiveAccount(HoldingAccount):
    """Hold one live account's open orders and books."""

    keys: Keys
    _booking: LiveBooking

    def __init__(
        self, record: AccountRecord, market: Market, octobot: LiveOctoBot, venue: Venue, *, enabled: bool
    ) -> None:
        super().__init__(record, market, octobot, enabled=enabled)
        self.venue = venue
        self.timing = octobot.trader.timing
        self.edits: dict[str, wire.Order] = {}
        self.due = 0.0
        self.opened_at = time.monotonic()
        self.unread: list[Page] | None = None
        """What is left to read of the exchange's orders then; None before that begins."""
        self._booked = set(record.exchange_trades)
        self._absences = Absences(self.timing)
        self._differences = Differences(self.timing.lag)
        self._foreign: dict[str, Decimal] = {}
        self._booking = LiveBooking(octobot, market, self.valuation, dict(record.totals))
        self.orders.update((order.id, order) for order in record.orders)
        self.line.statuses.update((order.id, order.status) for order in record.orders)
        octobot.orders = self.orders
        self._reckon()

    @property
    def trader(self) -> LiveTrader:
        """Return the gate to the exchange."""
        return self.octobot.trader

    @property
    def is_busy(self) -> bool:
        """Tell whether it must stay in memory: orders are at the exchange, or on their way, or not known yet."""
        return bool(self.in_flight or self.behind) or not all(map(kinds.waits, self.orders.values()))

    def hurry(self) -> None:
        """Have the account looked at now."""
        self.due = 0.0

    async def book_opening(self, unit: Unit) -> None:
        """Book what the exchange holds when the account is first opened.

        :raises EngineUnavailable: `exchange_unavailable` when it does not say.
        """
        try:
            held = await self.trader.balances()
        except Unreachable as error:
            await self.octobot.close()
            detail = f"{self.record.exchange} does not tell the balance of the account."
            raise EngineUnavailable(detail, code="exchange_unavailable", retry_after=5) from error
        held.setdefault(self.record.reference_currency, (ZERO, ZERO))
        worth = [self._booking.receive(currency, total, "deposit", unit) for currency, (total, _) in held.items()]
        deposited = sum((value for value in worth if value is not None), ZERO)
        unit.settle(deposited=deposited)
        unit.sample(deposited, deposited)
        self._reckon()
        self._booking.tell(list(held), unit)

    # ------------------------------------------------------------------------------------------- commands

    async def place(self, ticket: OrderTicket, unit: Unit) -> wire.Order:
        """Make the intent of an order; it is sent when it is committed.

        :raises Refused: a rule forbids it. :raises EngineUnavailable: the exchange has not answered for a while.
        """
        self.check_active()
        self._check_enabled()
        self.check_current()
        await self.keys.check(self.trader.client)
        draft = self.draft(ticket)
        rules.check(draft, self._funds())
        await self.gate.admit(draft, self)
        if ticket.type in CONDITIONAL:
            return self._hold(draft, unit)
        self.trader.breaker.check()
        order = self._intend(orders.new_order(draft, self.record.id, self.record.mode), draft.mark, unit)
        self._hold_stop(draft, order, unit)
        return order

    async def edit(self, command: wire.EditOrder, unit: Unit) -> wire.Order:
        """Change a held order; of another one note what it shall become, for the desk to replace it, and return it.

        :raises Conflict: `order_pending` while its own fate is open.
        """
        self._check_enabled()
        self.check_current()
        await self.keys.check(self.trader.client)
        order = self._open_order(command.order_id)
        if kinds.is_held(order):
            return await self._edit_held(order, command, unit)
        if order.status in UNCERTAIN_STATUSES or order.id in self.in_flight:
            raise kinds.pending()
        self.trader.breaker.check()
        self._check_pair(order, command)
        changed, draft = self._edited(order, command)
        await self.gate.admit(draft, self, edited=order)
        if changed.remaining <= ZERO:
            raise kinds.amount_too_small()
        self.edits[order.id] = changed
        self.in_flight.add(order.id)
        return order

    # -------------------------------------------------------------------------------- what the exchange says

    def answered(self, order_id: str, outcome: ExchangeOrder | Refusal | Unknown, unit: Unit) -> wire.Order | None:
        """Move a sent order by what came of sending it; None when it is over already."""
        order = self.orders.get(order_id)
        if order is None:
            return None
        if isinstance(outcome, Refusal):
            if outcome.again and kinds.is_own(order) and order_id not in self._doomed:
                return self._hold_again(order, outcome, self.timing.poll, unit)
            if outcome.again:
                unit.release(order)
            return self._reject(order, outcome.code, unit)
        answered: wire.Order | None = order
        if isinstance(outcome, ExchangeOrder):
            answered = self.follow(order_id, outcome, [], unit)
        elif order.status == "pending_new":
            answered = self._keep(replace(order, status="unknown", updated_at=clock.now()), unit)
        if answered is not None and answered.id in self._doomed and answered.status not in FINAL_STATUSES:
            answered = self._keep(replace(answered, status="pending_cancel", updated_at=clock.now()), unit)
        return answered

    def follow(self, order_id: str, state: ExchangeOrder, fills: list[ExchangeFill], unit: Unit) -> wire.Order | None:
        """Move an open order to what the exchange says, booking the fills that are new; None when it is over."""
        order = self.orders.get(order_id)
        if order is None:
            return None
        self._absences.forget(order_id)
        before, order = order, self._book(order, fills, unit)
        moved = states.moved(order, state)
        if moved is before:
            return order
        if before.status == "pending_new" and moved.status in {"canceled", "expired"}:
            unit.order(replace(moved, status="accepted"))
        return self._keep(moved, unit)

    def adopt(self, order: wire.Order, state: ExchangeOrder, fills: list[ExchangeFill], unit: Unit) -> None:
        """Take in an order of ours that the exchange has and SQL has not, and bring it to where it is.

        One that SQL still holds was triggered after what SQL knows.
        """
        known = self.orders.get(order.id)
        if known is not None and kinds.is_held(known):
            self._note_sent(known, unit)
        elif known is None and order.id not in self.line.ended:
            self._keep(order, unit)
        else:
            return
        self.follow(order.id, state, fills, unit)

    def not_found(self, order_id: str, unit: Unit) -> None:
        """Note that the exchange knows nothing of an order; when it cannot arrive any more, it is over."""
        order = self.orders.get(order_id)
        if order is None or not self._absences.is_certain(order):
            return
        if order.status in {"pending_new", "unknown"}:
            self._reject(order, "not_received", unit)
        else:
            self._keep(replace(order, status="canceled", updated_at=clock.now()), unit)

    def succeed(self, order_id: str, state: ExchangeOrder, fills: list[ExchangeFill], unit: Unit) -> wire.Order:
        """Make the intent of the order that stands in for one that the exchange has cancelled, and return it.

        When the old one filled first, or the rules forbid the new one by now, return the old one as it ended.
        """
        old = self.orders[order_id] = self._book(self.orders[order_id], fills, unit)
        successor = None
        if state.status in {"canceled", "expired"} and order_id not in self._doomed:
            successor = self._successor(old, self.edits[order_id])
        if successor is None:
            return self.follow(order_id, state, fills, unit) or old
        moment = clock.now()
        self._keep(replace(old, status="replaced", replaced_by=successor.id, updated_at=moment), unit)
        return self._intend(successor, successor.price or ZERO, unit)

    def _successor(self, old: wire.Order, changed: wire.Order) -> wire.Order | None:
        ticket = replace(orders.ticket_of(changed), amount=changed.amount - old.filled)
        # reckoned at its own price: what must not fail here does not ask for the market's
        draft = rules.draft(ticket, self._market.instrument(old.symbol), changed.price or ZERO)
        self.orders.pop(old.id)
        self._reckon()
        try:
            rules.check(draft, self._funds())
        except Refused:
            return None
        finally:
            self.orders[old.id] = old
            self._reckon()
        made = orders.new_order(draft, self.record.id, self.record.mode)
        return replace(made, group_id=old.group_id, parent_id=old.parent_id)

    def _book(self, order: wire.Order, fills: list[ExchangeFill], unit: Unit) -> wire.Order:
        for fill in fills:
            if (order.symbol, fill.id) not in self._booked:
                self._booked.add((order.symbol, fill.id))
                self._differences.forget()
                order = self._booking.book(order, fill, unit)
        return order

    def settle(self, held: Held, unit: Unit) -> bool:
        """Book what moved at the exchange without an order of ours, and lock what others locked.

        Return whether nothing is left to be found out; an order that the exchange will not cancel stays open.
        """
        known = [order for order in self.orders.values() if order.exchange_order_id is not None]
        own = locks(known, self._marks, self._market)
        self._foreign = {
            currency: max(locked - own.get(currency, ZERO), ZERO) for currency, (_, locked) in held.items()
        }
        moving = [each for each in self.orders.values() if kinds.may_move_balances(each)]
        if moving or self.in_flight:
            self._differences.forget()
            self._reckon()
            return not self.in_flight and all(order.status == "pending_cancel" for order in moving)
        moved = self._differences.settled(held, self._booking.totals)
        came = ZERO
        for currency, amount in moved.items():
            came += self._booking.receive(currency, amount, "external", unit) or ZERO
        self._reckon()
        if moved:
            self._booking.tell(list(moved), unit)
            self._count_in(came, unit)
        return not self._differences.pending

    # ------------------------------------------------------------------------------------------- internal

    def _count_in(self, value: Decimal, unit: Unit) -> None:
        """Count what came from outside, or went there, as paid in: it is no gain."""
        deposited = (self.record.deposited or ZERO) + value
        self.record = replace(self.record, deposited=deposited)
        unit.settle(deposited=deposited)
        unit.sample(self.overview().total_value, deposited)

    def _intend(self, order: wire.Order, mark: Decimal, unit: Unit) -> wire.Order:
        self.in_flight.add(order.id)
        self._marks[order.id] = mark
        return self._keep(replace(order, status="pending_new", sent_at=clock.now(), updated_at=clock.now()), unit)

    def _keep(self, order: wire.Order, unit: Unit) -> wire.Order:
        if order.status in FINAL_STATUSES:
            self.orders.pop(order.id, None)
            self._absences.forget(order.id)
            self._doomed.discard(order.id)
            self._marks.pop(order.id, None)
            self._again_at.pop(order.id, None)
            self._differences.forget()
        else:
            self.orders[order.id] = order
        unit.order(order)
        self._follow_pair(order, unit)
        if order.status in FINAL_STATUSES:
            self._place_exits_of(order, unit)
        self._reckon()
        self._booking.tell(order.symbol.split("/"), unit)
        return order

    def _reckon(self) -> None:
        """Give OctoBot's portfolio the totals and what is locked of them."""
        locked = locks(self.orders.values(), self._marks, self._market)
        for currency in {*self._booking.totals, *locked}:
            taken = locked.get(currency, ZERO) + self._foreign.get(currency, ZERO)
            self.octobot.put(currency, self._booking.total(currency), taken)
