"""Orders that a live account holds here: exchanges differ in what they know of stops, trailing stops and pairs.

A held order waits for the price of its exchange's feed. When that has come, the order is stored as an intent like any
other, and sent once. Of a pair one order may rest at the exchange: its cancel is certain before the other one is sent,
for what it has left. Every method that changes something is called with the account's lock held and fills a `Unit`.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.accounts.account import Account
from engine.accounts.octobot import OctoBotAccount
from engine.journal.records import AccountRecord
from engine.journal.unit import Unit
from engine.live.keys import Keys
from engine.live.octobot import LiveOctoBot
from engine.live.outcomes import Refusal
from engine.markets.market import Market
from engine.orders import brackets, drafts, kinds, orders
from engine.orders.drafts import Draft
from engine.orders.triggers import Touch, trigger
from utils import clock, wire
from utils.errors import EngineUnavailable, Refused, TradingError
from utils.money import ZERO
from utils.wire import FINAL_STATUSES, UNCERTAIN_STATUSES, OrderStatus

_log = logging.getLogger(__name__)


class HoldingAccount(Account):
    """Hold orders until they may be sent.

    `in_flight` are the orders that the desk is busy with, `errands` those that it sends or cancels next.
    """

    octobot: LiveOctoBot
    keys: Keys

    def __init__(self, record: AccountRecord, market: Market, octobot: LiveOctoBot, *, enabled: bool) -> None:
        super().__init__(record, market, octobot)
        self.in_flight: set[str] = set()
        self._doomed: set[str] = set()
        self._enabled = enabled
        self.behind = record.known_until
        """Until when the exchange is known, after a restore; None when there is nothing to catch up with."""
        self._marks: dict[str, Decimal] = {}
        self._again_at: dict[str, float] = {}
        self.errands: list[wire.Order] = []

    def check_current(self) -> None:
        """Refuse what needs to know all orders. :raises EngineUnavailable: `account_reconciling` after a restore."""
        if self.behind is not None:
            detail = "The account catches up with its exchange after a restore; nothing was done."
            raise EngineUnavailable(detail, code="account_reconciling", retry_after=5)

    @abstractmethod
    def _intend(self, order: wire.Order, mark: Decimal, unit: Unit) -> wire.Order:
        """Make the intent of an order."""

    @abstractmethod
    def _keep(self, order: wire.Order, unit: Unit) -> wire.Order:
        """Take over the new state of an order."""

    # ------------------------------------------------------------------------------------------- commands

    def _hold(self, draft: Draft, unit: Unit) -> wire.Order:
        """Hold a conditional order, and the other one of its pair."""
        order = self._keep(orders.new_order(draft, self.record.id, self.record.mode), unit)
        self._hold_stop(draft, order, unit)
        return order

    def _hold_stop(self, draft: Draft, first: wire.Order, unit: Unit) -> None:
        second = orders.oco_stop(draft, first)
        if second is not None:
            self._keep(second, unit)

    async def _edit_held(self, order: wire.Order, command: wire.EditOrder, unit: Unit) -> wire.Order:
        """Change an order that waits. :raises Conflict: `order_pending` when it waits no more."""
        if not kinds.waits(order):
            raise kinds.pending()
        self._check_pair(order, command)
        changed, draft = self._edited(order, command)
        others = []
        if command.amount is not None:
            amount = replace(command, price=None, stop_price=None, trailing_percent=None)
            others = [self._edited(other, amount)[0] for other in self._siblings(order)]
        await self.gate.admit(draft, self, edited=order)
        for other in others:
            self._keep(other, unit)
        return self._keep(changed, unit)

    def _check_pair(self, order: wire.Order, command: wire.EditOrder) -> None:
        """Refuse an amount that both orders of a pair need while one is at the exchange. :raises Refused: it is."""
        others = self._siblings(order)
        if command.amount is not None and others and not all(kinds.waits(each) for each in (order, *others)):
            raise kinds.not_editable()

    async def cancel(self, order_id: str, unit: Unit, *, status: OrderStatus = "canceled") -> wire.Order:
        """Cancel an order and the other one of its pair, held ones at once.

        :raises NotFound: unknown id.
        """
        order = self._open_order(order_id)
        self._withdraw_siblings(order, status, unit)
        return self._withdraw(self.orders[order_id], unit, status)

    def withdraw(self, order_id: str, unit: Unit) -> wire.Order:
        """Cancel one order and leave its pair as it is. :raises NotFound: unknown id."""
        return self._withdraw(self._open_order(order_id), unit)

    def _withdraw(self, order: wire.Order, unit: Unit, status: OrderStatus = "canceled") -> wire.Order:
        """Make the intent of a cancel; the exchange is asked for it until it has happened.

        An order that is being sent or replaced is cancelled as soon as its fate is known.
        """
        if kinds.is_held(order):
            return self._keep(replace(order, status=status, updated_at=clock.now()), unit)
        if order.id in self.in_flight:
            self._doomed.add(order.id)
            return order
        if order.status == "pending_cancel":
            return order
        if order.status == "pending_new":
            unit.order(replace(order, status="unknown", updated_at=clock.now()))
        return self._keep(replace(order, status="pending_cancel", updated_at=clock.now()), unit)

    # ------------------------------------------------------------------------------------------- triggers

    async def act(self, order_id: str, touch: Touch, unit: Unit) -> None:
        """Trigger a held order that `touch` reaches; the exchange decides about all others."""
        order = self.orders.get(order_id)
        if order is None or not kinds.waits(order) or order.updated_at > touch.at:
            return
        if orders.is_expired(order, touch.at):
            await self.expire(order_id, touch.at, unit)
            return
        price, above = trigger(order)
        reached = touch.mark >= price if above else touch.mark <= price
        if not reached or not self._may_send() or not self._is_fresh(order.symbol):
            return
        self._keep(replace(order, triggered_at=clock.now(), updated_at=clock.now()), unit)
        self._withdraw_siblings(order, "canceled", unit)

    async def expire(self, order_id: str, moment: datetime, unit: Unit) -> None:
        """Expire a day order whose day is over at `moment`; one at the exchange is cancelled there first."""
        order = self.orders.get(order_id)
        if order is None or not orders.is_expired(order, moment) or order.status == "pending_cancel":
            return
        self._withdraw_siblings(order, "expired", unit)
        self._run_errand(self._withdraw(order, unit, "expired"))

    async def release(self, unit: Unit) -> None:
        """Make intents of the held orders that wait for no price, when nothing stands in their way.

        The desk does this at the end of every change.
        """
        for order in [self.orders[each] for each in self._doomed - self.in_flight if each in self.orders]:
            if order.status not in UNCERTAIN_STATUSES:  # the edit that its cancel waited for came to nothing
                self._run_errand(self._withdraw(order, unit))
        if not self._may_send():
            return  # they wait to be canceled
        for order in [each for each in self.orders.values() if kinds.is_held(each) and not kinds.waits(each)]:
            at_exchange = any(not kinds.is_held(other) for other in self._siblings(order))
            if kinds.is_own(order) and order.triggered_at is None:
                at_exchange = False  # the limit of a bracket does not wait for its stop
            if (at_exchange and not kinds.may_overtake(order)) or self._is_too_early(order):
                continue
            try:
                await self._release(order, unit)
            except TradingError as error:
                _log.warning("order %s has to wait: %s", order.id, error.detail)

    async def _release(self, order: wire.Order, unit: Unit) -> None:
        mark = self._market.mark(order)
        objection = None
        if order.triggered_at is not None:
            draft = drafts.draft(orders.ticket_of(order), self._market.instrument(order.symbol), mark)
            objection = await self.gate.objection(draft, self, order)
        code = None if objection is None else objection.code
        if code is None and not self._affords(order, order.price or mark):
            code = "reduce_only" if order.reduce_only and ":" in order.symbol else "insufficient_funds"
        if code is not None:
            for other in self._siblings(order):
                self._keep(replace(other, group_id=None, updated_at=clock.now()), unit)
            self._keep(replace(order, status="canceled", reject_code=code, updated_at=clock.now()), unit)
            return
        self._run_errand(self._intend(order, mark, unit))

    def _hold_again(self, order: wire.Order, refusal: Refusal, wait: float, unit: Unit) -> wire.Order:
        """Hold an order that was certainly not taken, until the exchange may be asked again."""
        self._again_at[order.id] = time.monotonic() + max(refusal.retry_after or 0.0, wait)
        return self._keep(replace(order, status="accepted", sent_at=None, updated_at=clock.now()), unit)

    def _note_sent(self, order: wire.Order, unit: Unit) -> None:
        """Take note of a held order that the exchange has: it was triggered after what SQL knew."""
        moment = clock.now()
        for other in [each for each in self._siblings(order) if kinds.is_held(each)]:
            self._withdraw(other, unit)
        sent = replace(order, triggered_at=order.triggered_at or moment, sent_at=order.created_at)
        self._keep(replace(sent, status="pending_new", updated_at=moment), unit)

    # ------------------------------------------------------------------------------------ pairs and brackets

    def _follow_pair(self, order: wire.Order, unit: Unit) -> None:
        """Let the held order of a pair follow what became of the one at the exchange."""
        if order.sent_at is None:
            return
        for other in [each for each in self._siblings(order) if kinds.is_held(each)]:
            if not order.remaining or (order.status == "rejected" and _were_placed_together(order, other)):
                self._keep(replace(other, status="canceled", updated_at=clock.now()), unit)
                continue
            changes: dict[str, Decimal | None] = {}
            if order.remaining < other.remaining:
                changes = {"amount": order.remaining, "remaining": order.remaining}
            if order.status in FINAL_STATUSES and order.status != "replaced":
                changes["group_id"] = None  # it protects what is left, alone
            if changes:
                self._keep(replace(other, **changes, updated_at=clock.now()), unit)

    def _place_exits_of(self, entry: wire.Order, unit: Unit) -> None:
        """Hold the exits of a bracket whose entry has ended; `release` sends what rests at the exchange.

        After a restore there may be some already that SQL has not, so none are made for what filled meanwhile.
        """
        if entry.exits and entry.filled and self.behind is None:
            for order in brackets.exits(entry, self._market.instrument(entry.symbol), entry.filled):
                if order.amount > ZERO:
                    self._keep(order, unit)

    def _withdraw_siblings(self, order: wire.Order, status: OrderStatus, unit: Unit) -> None:
        for other in self._siblings(order):
            self._run_errand(self._withdraw(other, unit, status))

    # ------------------------------------------------------------------------------------------- internal

    def _reject(self, order: wire.Order, code: str, unit: Unit) -> wire.Order:
        return self._keep(replace(order, status="rejected", reject_code=code, updated_at=clock.now()), unit)

    def _run_errand(self, order: wire.Order) -> None:
        if order.status in {"pending_new", "pending_cancel"}:
            self.errands.append(order)

    def _check_enabled(self) -> None:
        if not self._enabled:
            raise Refused("Live trading is switched off on this installation.", code="live_trading_disabled")

    def _may_send(self) -> bool:
        return self._enabled and self.gate.switch is None and self.behind is None and self.keys.may_send

    def _is_fresh(self, symbol: str) -> bool:
        try:
            self._market.fresh_quote(symbol)
        except EngineUnavailable:
            return False
        return True

    def _is_too_early(self, order: wire.Order) -> bool:
        try:
            self.octobot.trader.breaker.check()
        except EngineUnavailable:
            return True
        return time.monotonic() < self._again_at.get(order.id, 0.0)

    @classmethod
    async def _open_octobot(cls, record: AccountRecord, market: Market) -> OctoBotAccount:
        raise TypeError(f"account {record.id} at {market.exchange} is opened by `LiveAccounts`")

    async def pay_in(self, *_: Any) -> None:
        """Refuse what is for paper accounts."""
        raise TypeError(f"account {self.record.id} is filled at its exchange")

    async def clear(self, *_: Any) -> None:
        """Refuse what is for paper accounts."""
        raise TypeError(f"account {self.record.id} is emptied at its exchange")

    async def _execute(self, order: wire.Order, *_: Any) -> wire.Order:
        raise TypeError(f"order {order.id} is for its exchange to fill")

    async def _settle(self, order: wire.Order, *_: Any, **__: Any) -> wire.Order:
        raise TypeError(f"order {order.id} is for its exchange to fill")


def _were_placed_together(first: wire.Order, second: wire.Order) -> bool:
    """Tell whether a pair came in one command: it is taken whole or not at all. A bracket's stop stays."""
    return first.parent_id is None and first.created_at <= second.created_at
