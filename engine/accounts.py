"""The accounts in memory: opened from SQL on first use, dropped and opened anew when a commit failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from engine.account import Account
from engine.journal import Journal
from engine.markets import Markets
from engine.records import Records
from engine.spot import SpotAccount
from engine.triggers import Triggers
from utils.errors import EngineUnavailable, NotFound, TradingError

_log = logging.getLogger(__name__)
OPENING_AT_ONCE = 2
"""It is work for the processor alone: more at once take no less time, and keep all others waiting."""
KINDS: dict[str, type[Account]] = {"spot": SpotAccount}
"""What becomes of an account, by its type."""
REOPEN_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Accounts:
    """Hand out accounts by id."""

    def __init__(self, records: Records, journal: Journal, markets: Markets, triggers: Triggers) -> None:
        self._records = records
        self._journal = journal
        self._markets = markets
        self._triggers = triggers
        self._open: dict[str, Account] = {}
        self._opening: dict[str, asyncio.Task[Account]] = {}
        self._opening_slots = asyncio.Semaphore(OPENING_AT_ONCE)
        self._reopening: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._open)

    async def get(self, account_id: str) -> Account:
        """Return the account, reading it from SQL when it is not in memory.

        :raises NotFound: unknown account. :raises StorageUnavailable: the database does not answer.
        """
        account = self._open.get(account_id)
        if account is not None and not account.line.broken:
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
                if not account.line.broken:
                    yield account
                    return

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
            account = await self._from_sql(account_id)
        if not account.record.totals:
            unit = account.unit()
            await account.book_opening(unit)
            await self._journal.submit(unit)
        if stale is not None:
            self._triggers.forget(account_id)
        for order in account.orders.values():
            self._triggers.add(order)
        self._open[account_id] = account
        if stale is not None:
            await stale.octobot.close()
        return account

    async def _from_sql(self, account_id: str) -> Account:
        record = await asyncio.to_thread(self._records.account, account_id)
        if record.exchange not in self._markets:
            raise EngineUnavailable(f"The exchange {record.exchange} is not connected.", code="exchange_not_connected")
        market = self._markets.get(record.exchange)
        market.listing()  # an account needs to know its markets
        return await KINDS[record.type].open(record, market)

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
