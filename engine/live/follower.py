"""Follow live accounts: ask their exchanges what became of their orders, and book it.

One look asks for the balance first and for orders and fills after it: what moved the balance is then either shown
among the fills, or will be within the time that queries lag.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import ccxt

from engine.accounts.accounts import Accounts
from engine.journal.unit import Unit
from engine.live.account import LiveAccount
from engine.live.outcomes import ExchangeFill, ExchangeOrder, Refusal, Unknown
from engine.live.reconciliation import Reconciler
from engine.live.states import is_complete
from engine.live.trader import Unreachable, client_id
from engine.orders import kinds
from utils import wire
from utils.errors import EngineFault, TradingError

_log = logging.getLogger(__name__)
Result = TypeVar("Result")
Change = Callable[[Any, Callable[[Any, Unit], Awaitable[Any]]], Awaitable[Any]]
"""Carry out a change under its account's lock, and wait until it is committed."""
ROUND_SECONDS = 0.1
AT_ONCE = 8
RETRY_SECONDS = 2.0

News = tuple[wire.Order, ExchangeOrder | None, list[ExchangeFill]]
"""An order, what the exchange says of it (None: it does not know it), and its fills when there are new ones."""


class Follower:
    """Look at every live account in memory: often while it has open orders, else seldom."""

    def __init__(self, accounts: Accounts, change: Change, reconciler: Reconciler) -> None:
        self._accounts = accounts
        self._change = change
        self._reconciler = reconciler
        self._looking: dict[str, asyncio.Task[None]] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}

    async def run(self, with_orders: list[str]) -> None:
        """Follow until cancelled; the accounts `with_orders` are opened for it, however long that takes."""
        waiting = set(with_orders)
        retry_at = 0.0
        try:
            while True:
                if waiting and time.monotonic() >= retry_at:
                    retry_at = time.monotonic() + RETRY_SECONDS
                    for account_id in list(waiting):
                        self._start(account_id, self._open(account_id, waiting))
                for account in self._accounts.live():
                    if account.due <= time.monotonic():
                        self._start(account.record.id, self._look(account))
                await asyncio.sleep(ROUND_SECONDS)
        finally:
            for task in self._looking.values():
                task.cancel()

    def _start(self, account_id: str, work: Any) -> None:
        if account_id in self._looking:
            work.close()
            return
        task = asyncio.create_task(work, name=f"follow {account_id}")
        self._looking[account_id] = task
        task.add_done_callback(lambda _: self._looking.pop(account_id, None))

    async def _open(self, account_id: str, waiting: set[str]) -> None:
        try:
            await self._accounts.get(account_id)
        except TradingError as error:
            _log.warning("live account %s cannot be followed yet: %s", account_id, error.detail)
        else:
            waiting.discard(account_id)

    async def _look(self, account: LiveAccount) -> None:
        # of its own exchange: one that does not answer keeps no others waiting
        async with self._slots.setdefault(account.record.exchange, asyncio.Semaphore(AT_ONCE)):
            try:
                await self.look(account)
            except TradingError as error:
                _log.warning("account %s could not be followed: %s", account.record.id, error.detail)
                account.due = time.monotonic() + account.timing.poll
            except Exception:
                _log.exception("account %s could not be followed", account.record.id)
                account.due = time.monotonic() + account.timing.poll

    async def look(self, account: LiveAccount) -> None:
        """Ask the exchange about one account and book what it says."""
        timing, trader = account.timing, account.trader
        # before the look, so that what happens meanwhile can ask for another one
        account.due = time.monotonic() + account.wait
        await account.keys.renew(trader.client)
        await account.venue.follow_clock()
        account.venue.set_clock(trader.client)
        try:
            await account.keys.identify(trader)
        except Unreachable as error:
            await self._missed(account, error)
            return
        if account.keys.foreign:
            return  # what they show is none of this account's
        news: list[News] = []
        seen = None
        caught_up = account.behind is None or account.unread == []
        try:
            if caught_up:
                seen = await account.observe()
            else:  # the next look books the balances: fills that are not known are none of others' doing
                await self._reconciler.adopt(account)
        except Unreachable as error:
            await self._missed(account, error)
        try:
            async for each in self._news(account):
                news.append(each)  # noqa: PERF401 - what was learned before a failure counts
        except Unreachable as error:
            seen = None
            await self._missed(account, error)

        try:
            settled = await self._change(account, _booking(news, seen))
            if settled and caught_up and account.behind is not None:
                await self._reconciler.finish(account)
        except EngineFault:
            await self._book_apart(account, news)
            return
        except TradingError as error:
            _log.warning("what became of account %s is not stored: %s", account.record.id, error.detail)
            return
        for order in list(account.orders.values()):
            if order.status == "pending_cancel" and order.id not in account.in_flight:
                await recalled(account, order)  # a cancel may be repeated; the next look tells what came of it
                account.due = min(account.due, time.monotonic() + timing.again)

    async def _book_apart(self, account: LiveAccount, news: list[News]) -> None:
        """Book what was said of each order by itself: one that fails must not hold up the fills of the others."""
        for each in news if len(news) > 1 else ():
            try:
                await self._change(await self._accounts.get(account.record.id), _booking([each], None))
            except TradingError as error:
                _log.error("what became of order %s is not stored: %s", each[0].id, error.detail)

    async def ask(self, account: LiveAccount, order: wire.Order) -> News:
        """Ask for one order and, when it has new ones, its fills. :raises Unreachable: no answer."""
        state = await account.trader.find(order)
        return order, state, await self._fills(account, order, state)

    async def _news(self, account: LiveAccount) -> Any:
        by_symbol: dict[str, list[wire.Order]] = {}
        for order in account.orders.values():
            if order.id not in account.in_flight and not kinds.is_held(order):
                by_symbol.setdefault(order.symbol, []).append(order)
        for symbol, orders in by_symbol.items():
            shown: dict[str | None, ExchangeOrder] = {}
            if len(orders) > 1:
                for state in await account.trader.open_orders(symbol):
                    shown[state.id] = shown[state.client_id] = state
            for order in orders:
                found = shown.get(order.exchange_order_id or client_id(order))
                if found is None:
                    yield await self.ask(account, order)
                else:
                    yield order, found, await self._fills(account, order, found)

    async def _fills(self, account: LiveAccount, order: wire.Order, state: ExchangeOrder | None) -> list[ExchangeFill]:
        if state is None or is_complete(order, state):
            return []
        return await account.trader.fills(order, state.id)

    async def _missed(self, account: LiveAccount, error: Unreachable) -> None:
        if isinstance(error.__cause__, ccxt.InvalidNonce):
            await account.venue.follow_clock(now=True)
        account.due = max(account.due, time.monotonic() + min(account.trader.breaker.wait, account.timing.poll))
        _log.info("account %s: %s", account.record.id, error)


def _booking(news: list[News], seen: Any) -> Callable[[LiveAccount, Unit], Awaitable[bool]]:
    """Return the change that books what an exchange said of orders and, when it was `seen`, of the account."""

    async def book(account: LiveAccount, unit: Unit) -> bool:
        for order, state, fills in news:
            if order.id in account.in_flight:
                continue
            if state is None:
                account.not_found(order.id, unit)
            else:
                account.follow(order.id, state, fills, unit)
        return seen is not None and account.settle(seen, unit)

    return book


async def recalled(account: LiveAccount, order: wire.Order) -> Refusal | Unknown | None:
    """Ask for a cancel whose intent is committed, unless the keys are not known to be the account's."""
    if not account.keys.are_own:
        return Refusal(code="credential_not_identified", again=True)
    return await account.trader.recall(order)
