"""The accounts in memory: opened from SQL on first use, closed when idle, and opened anew when a commit failed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from msgspec.structs import replace

from engine.accounts.account import Account
from engine.accounts.spot import SpotAccount
from engine.futures.account import FuturesAccount
from engine.futures.markets import tradable
from engine.journal.journal import Journal
from engine.journal.records import AccountRecord, Records
from engine.live.account import LiveAccount
from engine.live.opening import LiveAccounts
from engine.markets.market import Market
from engine.markets.markets import Markets
from engine.orders.risk import Gates
from engine.orders.triggers import Triggers
from utils.errors import EngineUnavailable, NotFound, TradingError

_log = logging.getLogger(__name__)
OPENING_AT_ONCE = 2
"""It is work for the processor alone: more at once take no less time, and keep all others waiting."""
KINDS: dict[str, type[Account]] = {"spot": SpotAccount, "futures": FuturesAccount}
"""What becomes of an account, by its type."""
IN_USE_SECONDS = 10.0
"""An account that was asked for within this time stays, however many others there are."""
REOPEN_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Accounts:
    """Hand out accounts by id."""

    def __init__(
        self,
        records: Records,
        journal: Journal,
        markets: Markets,
        triggers: Triggers,
        gates: Gates,
        *,
        live: LiveAccounts,
    ) -> None:
        self._gates = gates
        self._live = live
        self._records = records
        self._journal = journal
        self._markets = markets
        self._triggers = triggers
        self._open: OrderedDict[str, Account] = OrderedDict()
        """In the order of their last use."""
        self.pinned: set[str] = set()
        """Accounts that stay in memory when nobody uses them: strategies run on them."""
        self._opening: dict[str, asyncio.Task[Account]] = {}
        self._opening_slots = asyncio.Semaphore(OPENING_AT_ONCE)
        self._reopening: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    def live(self) -> list[LiveAccount]:
        """Return the live accounts in memory."""
        return [each for each in self._open.values() if isinstance(each, LiveAccount) and not each.line.broken]

    def in_memory(self) -> list[str]:
        """Return the ids of the accounts that are in memory."""
        return list(self._open)

    async def get(self, account_id: str) -> Account:
        """Return the account, reading it from SQL when it is not in memory.

        :raises NotFound: unknown account. :raises StorageUnavailable: the database does not answer.
        """
        account = self._open.get(account_id)
        if account is not None and not account.line.broken:
            self._open.move_to_end(account_id)
            account.used_at = time.monotonic()
            return account
        task = self._opening.get(account_id)
        if task is None:
            task = asyncio.create_task(self._read(account_id), name=f"open {account_id}")
            self._opening[account_id] = task
            task.add_done_callback(lambda _: self._opening.pop(account_id, None))
        return await asyncio.shield(task)

    @asynccontextmanager
    async def held(self, account_id: str) -> AsyncIterator[Account]:
        """Give the account to a reader, between two changes; raises what `get` raises."""
        while True:
            account = await self.get(account_id)
            async with account.lock:
                if not account.line.broken and not account.is_closed:
                    yield account
                    return

    @asynccontextmanager
    async def changing(self, account: Account) -> AsyncIterator[Account]:
        """Give the account to a change, alone; or what took its place, when it was closed while the change waited."""
        while True:
            async with account.lock:
                if not account.is_closed:
                    yield account
                    return
            account = await self.get(account.record.id)

    async def close_idle(self, *, idle_seconds: float, most: int) -> int:
        """Close the accounts that nobody asked for in `idle_seconds`, and the longest unused beyond `most`.

        Their open orders stay in the index, and a price that touches one opens its account again. Returns how many
        were closed.
        """
        closed = 0
        for account in list(self._open.values()):
            if account.record.id in self.pinned:
                continue
            allowed = IN_USE_SECONDS if len(self._open) > most else idle_seconds
            if time.monotonic() - account.used_at < allowed:
                break  # those that follow were used later
            closed += await self._close_unused(account)
        return closed

    async def close_at(self, exchange: str) -> bool:
        """Close all accounts at an exchange of which no more are opened; tell whether that was possible."""
        opening = [task for task in self._opening.values() if not task.done()]
        await asyncio.gather(*opening, return_exceptions=True)
        there = [account for account in self._open.values() if account.record.exchange == exchange]
        return all([account.record.id not in self.pinned and await self._close_unused(account) for account in there])

    def trail(self, account_id: str, order_id: str, level: Decimal) -> None:
        """Move the level of a trailing order at once when its account is in memory."""
        account = self._open.get(account_id)
        if account is not None:
            account.trail(order_id, level)

    def evict(self, account: Account) -> None:
        """Drop an account whose memory is ahead of SQL for good, and open it anew until that works."""
        account.line.broken = True
        if self._open.get(account.record.id) is account:
            task = asyncio.create_task(self._reopen(account.record.id), name=f"reopen {account.record.id}")
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

    async def close(self) -> None:
        """Stop every account in OctoBot."""
        for task in self._reopening:
            task.cancel()
        await asyncio.gather(*(account.octobot.close() for account in self._open.values()), return_exceptions=True)
        self._open.clear()

    async def _read(self, account_id: str) -> Account:
        stale = self._open.get(account_id)
        if stale is not None:
            # What was begun before the failure must be in SQL, or refused, before SQL is read.
            async with stale.lock:
                await self._journal.flush()
        async with self._opening_slots:
            record = await self._gates.enter(await asyncio.to_thread(self._records.account, account_id))
        if record.mode == "live":
            # not in a slot: an exchange that does not answer keeps no others waiting
            await self._live.venue(record.exchange, record.type).load()
        async with self._opening_slots:
            account = await self._from_record(record)
        if not account.record.totals:
            unit = account.unit()
            await account.book_opening(unit)
            account.record = replace(account.record, deposited=unit.account["deposited"])
            await self._journal.submit(unit)
        if stale is not None:
            self._triggers.forget(account_id)
        for order in account.orders.values():
            self._triggers.add(order)
        for position in account.record.positions if account.record.mode == "paper" else ():
            self._triggers.guard(account.record.exchange, position)
        self._open[account_id] = account
        self._open.move_to_end(account_id)
        if stale is not None:
            await stale.octobot.close()
        return account

    async def _from_record(self, record: AccountRecord) -> Account:
        if record.exchange not in self._markets:
            raise EngineUnavailable(f"The exchange {record.exchange} is not connected.", code="exchange_not_connected")
        market = self._markets.get(record.exchange)
        market.listing()  # an account needs to know its markets
        gate = self._gates.of(record, market)
        if record.mode == "paper" or record.type == "futures":
            _check_markets(record, market)
        if record.mode == "live":
            return await self._live.open(record, market, gate)
        return await KINDS[record.type].open(record, market, gate)

    async def _close_unused(self, account: Account) -> bool:
        """Close an account unless something is under way with it; return whether it was closed."""
        if account.lock.locked() or (isinstance(account, LiveAccount) and account.is_busy):
            return False
        async with account.lock:
            # nothing new begins while the lock is held, and then all that was begun is in SQL
            await self._journal.flush()
            if account.line.broken or account.is_closed or account.reserved_client_ids:
                return False
            account.is_closed = True
            del self._open[account.record.id]
        await account.octobot.close()
        return True

    async def _reopen(self, account_id: str) -> None:
        for attempt in range(1_000_000):
            try:
                await self.get(account_id)
            except NotFound:
                return
            except TradingError as error:
                _log.warning("account %s cannot be read yet: %s", account_id, error.detail)
                await asyncio.sleep(REOPEN_DELAYS[min(attempt, len(REOPEN_DELAYS) - 1)])
            else:
                _log.info("account %s was read anew", account_id)
                return


def _check_markets(record: AccountRecord, market: Market) -> None:
    """Refuse an account that holds what its exchange has not at present, as after a change of the recording.

    Half of an account would be worth something else, and could be reset or archived with the other half still there.

    :raises EngineUnavailable: `market_not_available`.
    """
    needed = {order.symbol for order in record.orders}
    needed |= {position["symbol"] for position in record.positions if position["opened_at"] is not None}
    missing = sorted(needed - market.instruments.keys())
    if record.type == "futures" and not tradable(market, record.reference_currency):
        missing = [f"of perpetuals in {record.reference_currency}"]
    if missing:
        detail = f"{record.exchange} has no market {', '.join(missing)} at present, which the account needs."
        raise EngineUnavailable(detail, code="market_not_available", retry_after=60)
