"""The trading desk: commands go through accounts into the journal, and are answered after the commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec.structs import replace

from engine.accounts.account import Account
from engine.accounts.accounts import Accounts
from engine.desk.placing import Placing, of_closing, of_ticket
from engine.desk.reactions import Reactions
from engine.journal.journal import Journal, client_order_id_taken
from engine.journal.keys import Claim, Keys
from engine.journal.records import Records
from engine.journal.unit import Line, Unit
from engine.live.account import LiveAccount
from engine.live.desk import LiveDesk, settled
from engine.metrics import Metrics
from engine.orders.orders import not_open
from engine.orders.triggers import Triggers
from utils import clock, wire
from utils.errors import Conflict, EngineFault, Fault, NotFound, Refused, StorageUnavailable, TradingError

_log = logging.getLogger(__name__)
Result = TypeVar("Result")
Work = Callable[[Account, Unit], Awaitable[Result]]
FINAL_REFUSALS = (Refused, Conflict, NotFound)
"""Outcomes that belong to an idempotency key; anything else may be tried again with it."""


class Desk:
    """Carry out commands, one at a time per account."""

    def __init__(
        self, accounts: Accounts, journal: Journal, records: Records, triggers: Triggers, metrics: Metrics
    ) -> None:
        self._accounts = accounts
        self._journal = journal
        self._records = records
        self._metrics = metrics
        self.triggers = triggers
        self.keys = Keys(records)
        self.live = LiveDesk(accounts, self._change, records)
        self.reactions = Reactions(accounts, self._change, self.live)

    # ------------------------------------------------------------------------------------------- commands

    async def place(self, command: wire.PlaceOrder) -> wire.Order:
        """Place an order, or answer a repeated key with the first outcome; a live one may be `unknown`.

        :raises TradingError: it was refused.
        """
        placing = of_ticket(command.ticket)
        return settled(await self.keys.once(command, lambda claim: self._place(command, placing, claim)))

    async def close_position(self, command: wire.ClosePosition) -> wire.Order:
        """Close a position at the market, once per key. :raises NotFound: there is none."""
        closing = of_closing(command.symbol)
        return settled(await self.keys.once(command, lambda claim: self._place(command, closing, claim)))

    async def edit(self, command: wire.EditOrder) -> wire.Order:
        """Change an open order."""
        await self.live.identify(await self._accounts.get(command.account))
        order = await self._on_order(command, "order.edit", lambda account, unit: account.edit(command, unit))
        return order if order.mode == "paper" else await self.live.replace(order)

    async def cancel(self, command: wire.CancelOrder) -> wire.Order:
        """Cancel an open order. :raises Conflict: it has ended, or what `LiveAccount.check_cancel` says."""

        async def change(account: Account, unit: Unit) -> wire.Order:
            if isinstance(account, LiveAccount):
                account.check_cancel(account.orders.get(command.order_id))
            return await account.cancel(command.order_id, unit)

        await self.live.recognise(await self._accounts.get(command.account))
        order = await self._on_order(command, "order.cancel", change)
        return order if order.mode == "paper" else await self.live.recall(order)

    async def cancel_matching(self, command: wire.CancelOrders) -> list[wire.Order]:
        """Cancel the open orders that match, for their owner.

        :raises Conflict: what `LiveAccount.check_cancel` says of one of them; nothing was done.
        """
        account = await self._accounts.get(command.account)
        await self.live.recognise(account)
        if isinstance(account, LiveAccount):
            for order in _matching(command, account):
                account.check_cancel(order)
        return await self.cancel_all(command)

    async def cancel_all(self, command: wire.CancelOrders) -> list[wire.Order]:
        """Cancel the open orders that match; what cannot be asked for now is asked for as soon as it can be."""

        async def change(account: Account, unit: Unit) -> list[wire.Order]:
            for order in _matching(command, account):
                if order.id in account.orders:
                    await account.cancel(order.id, unit)
                    unit.record("order.cancel", command.actor, order.id)
                    await asyncio.sleep(0)  # hundreds of orders must not hold up the others
            return list(unit.orders.values())

        account = await self._accounts.get(command.account)
        orders = await self._change(account, change)
        return orders if account.record.mode == "paper" else await self.live.recall_all(orders)

    async def set_limits(self, command: wire.SetRiskLimits) -> wire.RiskLimits:
        """Replace an account's risk limits. :raises Refused: `unknown_symbol`."""

        async def change(account: Account, unit: Unit) -> wire.RiskLimits:
            return account.gate.set(command.limits, unit)

        return await self.carry_out(command, "risk_limits.set", change)

    async def carry_out(self, command: wire.Command, action: str, change: Work[Result]) -> Result:
        """Do `change` once per idempotency key, its audit row and its answer in the same unit.

        :param action: what the audit log calls it.
        :raises TradingError: it was refused, before anything was changed.
        """

        async def work(claim: Claim | None) -> Result:
            async def recorded(account: Account, unit: Unit) -> Result:
                answer = await change(account, unit)
                unit.record(action, command.actor, command.account)
                if claim is not None:
                    unit.key(claim, answer=answer)
                return answer

            account = await self._accounts.get(command.account)
            try:
                return await self._change(account, recorded)
            except FINAL_REFUSALS as refusal:
                await self._record_refusal(command, action, command.account, refusal, claim)
                raise

        return await self.keys.once(command, work)

    async def change(self, account_id: str, change: Work[Result]) -> Result:
        """Do `change` on an account and wait until it is committed. :raises NotFound: unknown account."""
        return await self._change(await self._accounts.get(account_id), change)

    async def account(self, account_id: str) -> Account:
        """Return an account. :raises NotFound: unknown account."""
        return await self._accounts.get(account_id)

    async def preview(self, query: wire.PreviewOrder) -> wire.Preview:
        """Tell what an order would do. :raises Conflict: the account is archived."""
        async with self._accounts.held(query.account) as account:
            account.check_active()
            preview = account.preview(query.ticket)
            risks = await account.gate.checks(account.draft(query.ticket), account)
            ok = preview.ok and all(check.ok for check in risks)
            return replace(preview, checks=[*preview.checks, *risks], ok=ok)

    # --------------------------------------------------------------------------------------------- internal

    async def _place(self, command: wire.Command, placing: Placing, claim: Claim | None) -> wire.Order:
        account = await self._accounts.get(command.account)

        async def change(account: Account, unit: Unit) -> wire.Order:
            order = await account.place(placing.ticket(account), unit)
            unit.record(placing.action, command.actor, order.id)
            if claim is not None:
                unit.key(claim, order_id=order.id)
            return order

        try:
            await self.live.prepare(account, placing.symbol, reduce_only=placing.reduce_only)
            order = await self._reserving(account, placing.client_order_id, change)
        except FINAL_REFUSALS as refusal:
            self._metrics.refused(account.record.mode, placing.type)
            await self._record_refusal(command, placing.action, None, refusal, claim)
            raise
        return order if order.mode == "paper" else await self.live.send(order)

    async def _reserving(self, account: Account, client_id: str | None, change: Work[Result]) -> Result:
        """Make sure that `client_id`, if any, is new to the account, also against commands that are under way."""
        if client_id is None:
            return await self._change(account, change)
        if client_id in account.reserved_client_ids:
            raise client_order_id_taken()
        account.reserved_client_ids.add(client_id)
        try:
            if await asyncio.to_thread(self._records.has_client_order_id, account.record.id, client_id):
                raise client_order_id_taken()
            return await self._change(account, change)
        finally:
            account.reserved_client_ids.discard(client_id)

    async def _on_order(
        self,
        command: wire.EditOrder | wire.CancelOrder,
        action: str,
        change: Callable[[Account, Unit], Awaitable[wire.Order]],
    ) -> wire.Order:
        async def recorded(account: Account, unit: Unit) -> wire.Order:
            order = await change(account, unit)
            unit.record(action, command.actor, order.id)
            return order

        account = await self._accounts.get(command.account)
        try:
            try:
                return await self._change(account, recorded)
            except NotFound:
                await self._refuse_closed(command)
                raise
        except FINAL_REFUSALS as refusal:
            await self._record_refusal(command, action, command.order_id, refusal, None)
            raise

    async def _refuse_closed(self, command: wire.EditOrder | wire.CancelOrder) -> None:
        """Tell what became of an order of the account that is not open any more. :raises Conflict: with its status."""
        await self._journal.flush()  # what ended it may be on its way to SQL
        order = await asyncio.to_thread(self._records.order, command.order_id)
        if order is not None and order.account == command.account:
            raise not_open(order)

    async def _change(self, found: Account, change: Work[Result]) -> Result:
        """Run `change` under the account's lock and wait until what it did is committed.

        Errors of the domain come before anything is changed; after any other, and one that did not, the account is read
        anew.
        """
        async with self._accounts.changing(found) as account:
            if account.line.broken:
                raise StorageUnavailable("The account is being read anew.", retry_after=1)
            late = None
            if account.is_behind(moment := clock.now()):
                # apart from the change, which may be refused; when this is not stored, the change is not either
                _, late = await self._apply(account, lambda account, unit: account.catch_up(moment, unit))
                if late is not None:
                    late.add_done_callback(_forget)
            result, committed = await self._apply(account, change)
            errands = self.live.errands(account)
        for future in (late, committed):
            if future is not None:
                await self._commit(account, future)
        self.live.run(errands)
        return result

    async def _apply(self, account: Account, change: Work[Result]) -> tuple[Result, asyncio.Future[None] | None]:
        """Run `change`, watch what it left open and hand it to the journal; the lock is held."""
        unit = account.unit()
        try:
            result = await change(account, unit)
            await self.live.release(account, unit)
        except TradingError:
            if not unit.is_empty:  # something was changed before it: memory is ahead of SQL
                self._accounts.evict(account)
            raise
        except Exception as error:
            _log.exception("a change of account %s failed", account.record.id)
            self._accounts.evict(account)
            raise EngineFault("The change failed; nothing was done.") from error
        for order in unit.orders.values():
            if order.status in wire.FINAL_STATUSES:
                self.triggers.remove(order.id)
            else:
                self.triggers.add(order)
        for position in unit.positions.values() if account.record.mode == "paper" else ():
            self.triggers.guard(account.record.exchange, position)
        return result, self._journal.submit(unit) if not unit.is_empty else None

    async def _commit(self, account: Account, committed: asyncio.Future[None]) -> None:
        try:
            await asyncio.shield(committed)
        except TradingError:
            self._accounts.evict(account)
            raise

    async def _record_refusal(
        self, command: wire.Command, action: str, target: str | None, refusal: TradingError, claim: Claim | None
    ) -> None:
        """Write the audit row of a refusal and, with a key, the outcome that a repetition is answered with."""
        unit = Unit(Line(command.account, command.actor.user_id))
        unit.record(action, command.actor, target, refusal)
        if claim is not None:
            unit.key(claim, fault=Fault.of(refusal))
            await self._journal.submit(unit)
        else:
            self._journal.submit(unit).add_done_callback(_forget)


def _matching(command: wire.CancelOrders, account: Account) -> list[wire.Order]:
    return [
        order
        for order in account.orders.values()
        if command.symbol in (None, order.symbol) and command.side in (None, order.side)
    ]


def _forget(future: asyncio.Future[None]) -> None:
    # the writer has logged why; there is nobody to tell
    future.exception()
