"""What a strategy's account gets from its parent, and gives back: in the books of both, or of neither.

A live account is a strategy's as a whole, its own parent: nothing moves.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

from msgspec.structs import replace

from engine.accounts.account import Account
from engine.accounts.accounts import Accounts
from engine.accounts.spot import SpotAccount
from engine.journal.journal import Journal
from engine.journal.unit import Unit
from engine.strategies.records import StrategyRecord
from utils.errors import Conflict, EngineFault, FieldError, Refused, StorageUnavailable, TradingError
from utils.money import ZERO, plain

_log = logging.getLogger(__name__)
Finish = Callable[[Account, Unit], None]
"""Adds to the unit of the strategy's account what is to be stored with the transfer."""


class Funding:
    """Move money between a strategy's account and its parent."""

    def __init__(self, accounts: Accounts, journal: Journal) -> None:
        self._accounts = accounts
        self._journal = journal

    async def fund(self, record: StrategyRecord, finish: Finish) -> None:
        """Give the strategy its funding; what `finish` adds to its unit is stored with it.

        :raises Conflict: the parent is archived, or what `check` says. :raises Refused: `insufficient_funds`.
        """
        if record.mode == "live":
            await self._as_it_is(record, finish)
            return

        async def move(own: SpotAccount, parent: SpotAccount, mine: Unit, its: Unit) -> None:
            parent.check_active()
            currency, amount = record.reference_currency, record.funding
            if amount > parent.octobot.free(currency):
                detail = f"The account has {plain(parent.octobot.free(currency))} {currency} free."
                error = FieldError(field="funding", code="insufficient_funds", message=detail)
                raise Refused(detail, code="insufficient_funds", errors=(error,))
            await _move(parent, own, its, mine, {currency: amount})

        await self._between(record, move, finish)

    async def give_back(self, record: StrategyRecord, finish: Finish) -> None:
        """Give all that the strategy holds back to its parent, as it is: nothing is sold.

        A live account keeps what it has; an order that its exchange has not cancelled yet goes on being cancelled.

        :raises Conflict: `orders_open`.
        """
        if record.mode == "live":
            await self._as_it_is(record, finish)
            return

        async def move(own: SpotAccount, parent: SpotAccount, mine: Unit, its: Unit) -> None:
            if own.orders:
                raise Conflict("The strategy has open orders.", code="orders_open")
            held = {currency: own.octobot.total(currency) for currency in own.octobot.currencies()}
            await _move(own, parent, mine, its, {name: amount for name, amount in held.items() if amount})

        await self._between(record, move, finish)

    async def check(self, record: StrategyRecord) -> None:
        """Make sure that a live account is the strategy's alone before it starts.

        :raises Conflict: `orders_open`, `account_archived`. :raises EngineUnavailable: its exchange does not answer.
        """
        if record.mode == "live":
            async with self._accounts.held(record.account_id) as account:
                account.check_active()
                if account.orders:
                    detail = "The account has open orders, or some of which it is not certain yet that they have ended."
                    raise Conflict(detail, code="orders_open")

    async def _as_it_is(self, record: StrategyRecord, finish: Finish) -> None:
        """Store what `finish` adds: a live account is a strategy's as a whole, and nothing moves."""
        async with self._accounts.changing(await self._accounts.get(record.account_id)) as account:
            unit = account.unit()
            finish(account, unit)
            committed = self._journal.submit(unit)
        await committed

    async def _between(
        self,
        record: StrategyRecord,
        move: Callable[[SpotAccount, SpotAccount, Unit, Unit], Awaitable[None]],
        finish: Finish,
    ) -> None:
        async with self._both(record) as (own, parent):
            mine, its = own.unit(), parent.unit()
            try:
                await move(own, parent, mine, its)
            except TradingError:
                raise  # before anything was changed
            except Exception as error:
                _log.exception("a transfer between %s and %s failed", record.account_id, record.parent_id)
                self._evict(own, parent)
                raise EngineFault("The transfer failed; nothing was done.") from error
            finish(own, mine)
            mine.partner = its
            committed = self._journal.submit(mine)
        try:
            await committed
        except TradingError:
            self._evict(own, parent)
            raise

    @asynccontextmanager
    async def _both(self, record: StrategyRecord) -> AsyncIterator[tuple[SpotAccount, SpotAccount]]:
        """Hold both accounts, always in the same order, so that two who want both never wait for each other."""
        first, second = sorted((record.account_id, record.parent_id))
        async with (
            self._accounts.changing(await self._accounts.get(first)) as one,
            self._accounts.changing(await self._accounts.get(second)) as other,
        ):
            if one.line.broken or other.line.broken:
                raise StorageUnavailable("The account is being read anew.", retry_after=1)
            own, parent = (one, other) if one.record.id == record.account_id else (other, one)
            if not isinstance(own, SpotAccount) or not isinstance(parent, SpotAccount):
                raise Conflict("Strategies run on spot accounts on paper.", code="not_a_paper_account")
            yield own, parent

    def _evict(self, *accounts: Account) -> None:
        for account in accounts:
            self._accounts.evict(account)


async def _move(giver: SpotAccount, taker: SpotAccount, gives: Unit, takes: Unit, amounts: dict[str, Decimal]) -> None:
    """Book the amounts, at what they are worth now, away here and in there."""
    worth = ZERO
    for currency, amount in amounts.items():
        value = giver.value(currency, amount)
        await giver.transfer(currency, -amount, value, gives)
        await taker.transfer(currency, amount, value, takes)
        worth += value or ZERO
    for account, unit, gained in ((giver, gives, -worth), (taker, takes, worth)):
        deposited = (account.record.deposited or ZERO) + gained
        account.record = replace(account.record, deposited=deposited)
        unit.settle(deposited=deposited)
        unit.sample(account.overview().total_value, deposited)
