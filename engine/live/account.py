"""A live account in memory: intents go out from here, and what the exchange says of them comes in.

As in `engine.accounts.account`, every method that changes something is called with the account's lock held and fills a
`Unit` that the caller commits. Nothing here waits for the exchange but `book_opening`, before the account is shared,
and `observe`, which changes nothing. What moves money is for `engine.live.spot` and `engine.live.futures` to book.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.exchanges.venue import Venue
from engine.journal.records import AccountRecord
from engine.journal.unit import Unit
from engine.live import states
from engine.live.absence import Absences
from engine.live.difference import Differences
from engine.live.held import HoldingAccount
from engine.live.octobot import LiveOctoBot
from engine.live.outcomes import ExchangeFill, ExchangeOrder, Refusal, Unknown
from engine.live.pages import Page
from engine.live.trader import LiveTrader
from engine.markets.market import Market
from engine.orders import drafts, kinds, orders, rules
from utils import clock, wire
from utils.errors import Refused
from utils.money import ZERO
from utils.wire import CONDITIONAL, FINAL_STATUSES, UNCERTAIN_STATUSES, OrderTicket


class LiveAccount(HoldingAccount):
    """Hold one live account's open orders: their life is the same on all kinds of accounts."""

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
        self.changes = 0
        """How often one of its orders has changed: balances that were seen before do not show it."""
        self._booked = set(record.exchange_trades)
        self._absences = Absences(self.timing)
        self._differences = Differences(self.timing.lag)
        self.orders.update((order.id, order) for order in record.orders)
        self.line.statuses.update((order.id, order.status) for order in record.orders)
        octobot.orders = self.orders

    @property
    def trader(self) -> LiveTrader:
        """Return the gate to the exchange."""
        return self.octobot.trader

    @property
    def is_busy(self) -> bool:
        """Tell whether it must stay in memory: orders are at the exchange, or on their way, or not known yet."""
        return bool(self.in_flight or self.behind) or not all(map(kinds.waits, self.orders.values()))

    @property
    def wait(self) -> float:
        """Return the seconds until the next look."""
        return self.timing.poll if self.is_busy else self.timing.idle

    def hurry(self) -> None:
        """Have the account looked at now."""
        self.due = 0.0

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
        self.edits[order.id] = changed
        self.in_flight.add(order.id)
        return order

    def check_cancel(self, order: wire.Order | None) -> None:
        """Refuse to cancel what is at another account of the exchange than the keys'; what is held here may end.

        :raises Conflict: `credential_other_account`.
        """
        if order is not None and not all(map(kinds.is_held, (order, *self._siblings(order)))):
            self.keys.check_own()

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
        # computed at its own price: what must not fail here does not ask for the market's
        draft = drafts.draft(ticket, self._market.instrument(old.symbol), changed.price or ZERO)
        self.orders.pop(old.id)
        self._update_portfolio()
        try:
            rules.check(draft, self._funds())
        except Refused:
            return None
        finally:
            self.orders[old.id] = old
            self._update_portfolio()
        made = orders.new_order(draft, self.record.id, self.record.mode)
        return replace(made, group_id=old.group_id, parent_id=old.parent_id)

    def _book(self, order: wire.Order, fills: list[ExchangeFill], unit: Unit) -> wire.Order:
        for fill in fills:
            if (order.symbol, fill.id) not in self._booked:
                self._booked.add((order.symbol, fill.id))
                self._differences.forget()
                order = self._book_fill(order, fill, unit)
        return order

    def is_moving(self) -> bool:
        """Tell whether something of ours may have moved the account at the exchange without that being known."""
        return bool(self.in_flight) or any(map(kinds.may_move_balances, self.orders.values()))

    def is_settling(self) -> bool:
        """Tell whether that will be known soon; an order that the exchange will not cancel stays open."""
        moving = filter(kinds.may_move_balances, self.orders.values())
        return bool(self.in_flight) or any(order.status != "pending_cancel" for order in moving)

    # -------------------------------------------------------------------------- what each kind of account knows

    @abstractmethod
    async def observe(self) -> Any:
        """Ask the exchange what the account has, for `settle`. :raises Unreachable: no answer."""

    @abstractmethod
    def settle(self, seen: Any, unit: Unit) -> bool:
        """Book what moved at the exchange without an order of ours; `seen` is what `observe` saw.

        Return whether nothing is left to be found out.
        """

    @abstractmethod
    def symbols(self) -> list[str]:
        """Return the markets that are traded here."""

    @abstractmethod
    def _book_fill(self, order: wire.Order, fill: ExchangeFill, unit: Unit) -> wire.Order:
        """Book one fill and return the order with it."""

    @abstractmethod
    def _update_portfolio(self) -> None:
        """Give OctoBot's portfolio what the account has and what is locked of it."""

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
        self.changes += 1
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
        self._update_portfolio()
        self._tell(order, unit)
        return order
