"""Carry committed intents to the exchange: each is sent once; what is not certain is looked up, never repeated."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress
from decimal import Decimal
from typing import Any

from engine.accounts.account import Account
from engine.accounts.accounts import Accounts
from engine.journal.records import Records
from engine.journal.unit import Unit
from engine.live.account import LiveAccount
from engine.live.follower import Change, Follower, News, recalled
from engine.live.futures.account import LiveFuturesAccount
from engine.live.futures.desk import FuturesDesk
from engine.live.outcomes import ExchangeOrder, Refusal, Unknown
from engine.live.reconciliation import Reconciler
from engine.live.trader import Unreachable
from engine.orders import kinds
from engine.orders.orders import not_open
from utils import wire
from utils.errors import EngineTimeout, EngineUnavailable, Refused, TradingError
from utils.wire import FINAL_STATUSES, IMMEDIATE

_log = logging.getLogger(__name__)
FOLLOW_UP_SECONDS = 1.5
"""How long the answer to an order that fills at once waits for its fills to be shown."""
LOOK_AGAIN_SECONDS = 0.25
RECALLS_AT_ONCE = 5
AGAIN = {
    **{"exchange_unavailable": 2, "exchange_rate_limited": 2, "exchange_clock_skew": 1},
    "credential_not_identified": 1,
}
"""Reject codes of orders that were never taken and may be tried again, with the seconds to wait."""


class LiveDesk:
    """Send, cancel and replace orders of live accounts. No account's lock is held while the exchange is waited for."""

    def __init__(self, accounts: Accounts, change: Change, records: Records) -> None:
        self._accounts = accounts
        self._change = change
        self._records = records
        self.follower = Follower(accounts, change, Reconciler(change, records))
        self._futures = FuturesDesk(change)
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self, account: Account, symbol: str, *, reduce_only: bool) -> None:
        """Find out what an order in a market rests on: whose the keys are, and what `FuturesDesk.prepare` settles."""
        await self.identify(account)
        if isinstance(account, LiveFuturesAccount):
            await self._futures.prepare(account, symbol, reduce_only=reduce_only)

    async def identify(self, account: Account) -> None:
        """Find out whose the keys of a live account are. :raises EngineUnavailable: its exchange does not tell."""
        if not isinstance(account, LiveAccount):
            return
        await account.keys.renew(account.trader.client)
        try:
            await account.keys.identify(account.trader)
        except Unreachable as error:
            detail = f"{account.record.exchange} does not tell whose the keys are; nothing was done."
            raise EngineUnavailable(detail, code="exchange_unavailable", retry_after=2) from error

    async def recognise(self, account: Account) -> None:
        """Find out whose the keys are as far as that can be: a cancel is taken also while the exchange is away."""
        with suppress(TradingError):
            await self.identify(account)

    async def choose_leverage(self, account: Account, symbol: str, leverage: Decimal) -> None:
        """Have the exchange take a leverage; see `FuturesDesk.choose_leverage`."""
        await self.identify(account)
        if isinstance(account, LiveFuturesAccount):
            await self._futures.choose_leverage(account, symbol, leverage)

    async def release(self, account: Account, unit: Unit) -> None:
        """Complete a change of `account` by what it sets free."""
        if isinstance(account, LiveAccount):
            await account.release(unit)

    def errands(self, account: Account) -> list[wire.Order]:
        """Return what is to be done at the exchange when the change of `account` is stored; its lock is held."""
        if not isinstance(account, LiveAccount):
            return []
        errands, account.errands = account.errands, []
        return errands

    def run(self, errands: list[wire.Order]) -> None:
        """Send and cancel what the engine has decided by itself, and is stored."""
        for order in errands:
            task = asyncio.create_task(self._run(order), name=f"errand for {order.id}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Wait for the requests under way."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self, order: wire.Order) -> None:
        try:
            await (self.send(order) if order.status == "pending_new" else self.recall(order))
        except Exception:
            # its intent is stored: the follower finds out, or goes on
            _log.exception("order %s is left to the follower", order.id)

    async def send(self, order: wire.Order) -> wire.Order:
        """Send an order whose intent is committed, and return what became of it; a held one stays as it is."""
        if kinds.is_held(order):
            return order
        account = await self._account(order)
        try:
            outcome = await self._sent(account, order)
            if isinstance(outcome, Refusal) and outcome.code == "exchange_clock_skew":
                await account.venue.follow_clock(now=True)
                account.venue.set_clock(account.trader.client)
        finally:
            account.in_flight.discard(order.id)

        async def answer(account: LiveAccount, unit: Unit) -> wire.Order | None:
            return account.answered(order.id, outcome, unit)

        try:
            answered: wire.Order | None = await self._change(await self._account(order), answer)
        except TradingError as error:
            _log.error("what became of order %s is not stored yet: %s", order.id, error.detail)
            return order  # its intent is: what became of it is found out
        if answered is None:
            return await self._latest(order)
        (await self._account(order)).hurry()
        if answered.status in {"accepted", "partially_filled"} and _fills_at_once(order):
            return await self._followed(answered, FOLLOW_UP_SECONDS)
        return answered

    async def _sent(self, account: LiveAccount, order: wire.Order) -> ExchangeOrder | Refusal | Unknown:
        """Send an order, unless the keys were replaced after it was decided on."""
        if not account.keys.may_send:
            return Refusal(code="credential_not_identified", again=True)
        return await account.trader.send(order)

    async def recall(self, order: wire.Order) -> wire.Order:
        """Ask for a cancel whose intent is committed, and return what became of the order."""
        if order.status != "pending_cancel":
            return order  # it is over, or being sent and cancelled as soon as it has arrived
        account = await self._account(order)
        await self.recognise(account)  # the intent is committed: when new keys cannot be read, the old ones have to do
        await recalled(account, order)
        return await self._followed(order, FOLLOW_UP_SECONDS)

    async def recall_all(self, orders: list[wire.Order]) -> list[wire.Order]:
        """Ask for many cancels, a few at a time."""
        slots = asyncio.Semaphore(RECALLS_AT_ONCE)

        async def recall(order: wire.Order) -> wire.Order:
            async with slots:
                return await self.recall(order)

        return list(await asyncio.gather(*map(recall, orders)))

    async def replace(self, order: wire.Order) -> wire.Order:
        """Cancel an order and, when that is certain, send the one that an edit makes of it.

        :raises Conflict: it filled or ended first. :raises EngineUnavailable: nothing was done.
        :raises EngineTimeout: `edit_incomplete` when the cancel is not certain; the order will end cancelled.
        """
        if kinds.is_held(order):
            return order  # it was changed here
        account = await self._account(order)
        try:
            outcome = await recalled(account, order)
            if isinstance(outcome, Refusal) and outcome.again:
                detail = f"{order.exchange} did not take the change; nothing was done."
                raise EngineUnavailable(detail, code=outcome.code, retry_after=math.ceil(outcome.retry_after or 1))
            news = await self._ended(account, order)
            successor = await self._change(account, self._step_in(order, news))
        finally:
            account.in_flight.discard(order.id)
            account.edits.pop(order.id, None)
            account.hurry()
        if successor.status == "pending_new":
            return await self.send(successor)
        if successor.status in FINAL_STATUSES:
            raise not_open(successor)
        detail = "The exchange has not told whether it cancelled the order; it will be cancelled."
        raise EngineTimeout(detail, code="edit_incomplete")

    async def _ended(self, account: LiveAccount, order: wire.Order) -> News | None:
        """Look until the exchange shows that an order is over, with all its fills; None when time is up."""
        until = time.monotonic() + account.timing.send
        while time.monotonic() < until and not account.keys.foreign:
            try:
                news = await self.follower.ask(account, order)
            except Unreachable:
                news = None
            if news is not None and news[1] is not None and news[1].status != "open":
                filled = order.filled + sum(fill.amount for fill in news[2])
                if news[1].filled is not None and filled >= news[1].filled:
                    return news
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return None

    def _step_in(self, order: wire.Order, news: News | None) -> Any:
        async def step_in(account: LiveAccount, unit: Unit) -> wire.Order:
            old = account.orders.get(order.id)
            if old is None or order.id not in account.edits:
                raise EngineTimeout("The account was read anew; look the order up.", code="edit_incomplete")
            if news is None or news[1] is None:
                account.in_flight.discard(order.id)
                return account.withdraw(order.id, unit)
            return account.succeed(order.id, news[1], news[2], unit)

        return step_in

    async def _followed(self, order: wire.Order, seconds: float) -> wire.Order:
        """Look for up to `seconds` whether an order has ended, and return it as it is then."""
        until = time.monotonic() + seconds
        while True:
            account = await self._account(order)
            try:
                await account.keys.identify(account.trader)
                if account.keys.foreign:
                    break  # what they show is none of this account's
                news = await self.follower.ask(account, account.orders.get(order.id, order))
            except Unreachable:
                break

            async def book(account: LiveAccount, unit: Unit, news: News = news) -> None:
                if news[1] is not None:
                    account.follow(order.id, news[1], news[2], unit)

            try:
                await self._change(account, book)
            except TradingError as error:
                _log.warning("what became of order %s is not stored yet: %s", order.id, error.detail)
                break
            if order.id not in account.orders or time.monotonic() >= until:
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        (await self._account(order)).hurry()
        return await self._latest(order)

    async def _latest(self, order: wire.Order) -> wire.Order:
        account = await self._account(order)
        known = account.orders.get(order.id)
        return known or await asyncio.to_thread(self._records.order, order.id) or order

    async def _account(self, order: wire.Order) -> LiveAccount:
        account = await self._accounts.get(order.account)
        if not isinstance(account, LiveAccount):
            raise TypeError(f"account {order.account} is not live")
        return account


def settled(order: wire.Order) -> wire.Order:
    """Return an order as its placement is answered.

    :raises Refused: the exchange refused it. :raises EngineUnavailable: it was never sent and may be tried again.
    """
    if order.mode != "live" or order.status != "rejected":
        return order
    code = order.reject_code or "exchange_rejected"
    if code in AGAIN:
        detail = f"{order.exchange} did not take the order; nothing was done."
        raise EngineUnavailable(detail, code=code, retry_after=AGAIN[code])
    raise Refused(f"{order.exchange} refused the order {order.id}.", code=code)


def _fills_at_once(order: wire.Order) -> bool:
    return kinds.sent_as(order) == "market" or order.time_in_force in IMMEDIATE
