"""Changes of accounts: deposits, resets, archiving."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from msgspec.structs import replace

from engine.accounts.account import Account
from engine.desk.desk import Desk
from engine.journal.unit import Unit
from engine.live.account import LiveAccount
from utils import clock, wire
from utils.errors import Conflict, FieldError, Refused
from utils.money import ZERO


class AccountChanges:
    """Carry out the commands that change an account itself."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def deposit(self, command: wire.DepositFunds) -> wire.Deposit:
        """Pay into a paper account.

        :raises Refused: no market tells what the currency is worth. :raises Conflict: the account is live or archived.
        """

        async def change(account: Account, unit: Unit) -> wire.Deposit:
            _check_paper(account)
            value = _value(account, command.currency, command.amount)
            deposited = (account.record.deposited or ZERO) + value
            await account.pay_in(command.currency, command.amount, value, unit)
            account.record = replace(account.record, deposited=deposited)
            unit.settle(deposited=deposited)
            unit.sample(account.overview().total_value, deposited)
            return wire.Deposit(
                account=account.record.id,
                currency=command.currency,
                amount=command.amount,
                value=value,
                total=account.octobot.total(command.currency),
                deposited=deposited,
                reference_currency=account.record.reference_currency,
                created_at=clock.now(),
            )

        return await self._desk.carry_out(command, "account.deposit", change)

    async def reset(self, command: wire.ResetAccount) -> wire.AccountState:
        """Begin a paper account anew, with nothing but its starting balance.

        :raises Conflict: the account is live or archived.
        """

        async def change(account: Account, unit: Unit) -> wire.AccountState:
            _check_paper(account)
            balance, moment = command.starting_balance or account.record.starting_balance, clock.now()
            await _cancel_all(account, command.actor, unit)
            await account.clear(unit)
            account.record = replace(
                account.record, starting_balance=balance, deposited=balance, reset_at=moment, totals={}, entry_prices={}
            )
            unit.settle(starting_balance=balance, reset_at=moment)
            await account.book_opening(unit)
            return _state(account)

        return await self._desk.carry_out(command, "account.reset", change)

    async def archive(self, command: wire.ArchiveAccount) -> wire.AccountState:
        """Cancel an account's open orders and close it; done already, it is answered alike.

        :raises Conflict: `orders_open` when an order at an exchange could not be canceled, `positions_open` when there
            are positions in perpetuals.
        """
        account = await self._desk.account(command.account)
        if account.record.mode == "live":
            await self._desk.cancel_all(wire.CancelOrders(actor=command.actor, account=command.account))

        async def change(account: Account, unit: Unit) -> wire.AccountState:
            if isinstance(account, LiveAccount):
                account.check_current()
            if account.record.mode == "live" and account.orders:
                raise Conflict("The account has open orders.", code="orders_open")
            if account.holds_positions:
                raise Conflict("The account has open positions; close them first.", code="positions_open")
            await _cancel_all(account, command.actor, unit)
            account.record = replace(account.record, status="archived")
            unit.settle(status="archived")
            return _state(account)

        return await self._desk.carry_out(command, "account.archive", change)


def _check_paper(account: Account) -> None:
    account.check_active()
    if account.record.mode != "paper":
        raise Conflict("Only paper accounts are filled by command.", code="not_a_paper_account")


def _value(account: Account, currency: str, amount: Decimal) -> Decimal:
    value = account.value(currency, amount)
    if value is None:
        detail = f"No market of {account.record.exchange} tells what {currency} is worth."
        error = FieldError(field="currency", code="currency_not_valued", message=detail)
        raise Refused(detail, code="currency_not_valued", errors=(error,))
    return value


async def _cancel_all(account: Account, actor: wire.Actor, unit: Unit) -> None:
    for order_id in list(account.orders):
        if order_id in account.orders:
            await account.cancel(order_id, unit)
            unit.record("order.cancel", actor, order_id)
            await asyncio.sleep(0)  # hundreds of orders must not hold up the others


def _state(account: Account) -> wire.AccountState:
    record = account.record
    return wire.AccountState(
        account=record.id,
        status=record.status,
        starting_balance=record.starting_balance,
        deposited=record.deposited,
        reset_at=record.reset_at,
    )
