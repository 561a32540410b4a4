"""The life of the fake's accounts: deposits, a fresh start, their end, and what they are worth."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from tests.fake_engine.books import REFERENCE, FakeAccount
from tests.fake_engine.market import EXCHANGE, Market
from tests.fake_engine.matching import Matching
from utils.errors import Conflict, FieldError, Refused
from utils.money import ZERO
from utils.wire import AccountState, ArchiveAccount, Deposit, DepositFunds, Equity, ResetAccount, Stake


def check_active(account: FakeAccount) -> None:
    """Refuse an archived account. :raises Conflict: `account_archived`."""
    if account.is_archived:
        raise Conflict("The account is archived.", code="account_archived")


def deposit(account: FakeAccount, command: DepositFunds, market: Market, moment: datetime) -> Deposit:
    """Pay in. :raises Refused: `currency_not_valued`."""
    check_active(account)
    currency, price = command.currency, market.value(command.currency, REFERENCE)
    if price is None:
        error = FieldError(field="currency", code="currency_not_valued", message="No market tells its worth.")
        raise Refused("No market tells its worth.", code="currency_not_valued", errors=(error,))
    value, had = command.amount * price, account.total(currency)
    account.totals[currency] = had + command.amount
    if currency != REFERENCE:
        account.entries[currency] = (account.entries.get(currency, ZERO) * had + value) / (had + command.amount)
    account.deposited += value
    return Deposit(
        account=account.id,
        currency=currency,
        amount=command.amount,
        value=value,
        total=account.total(currency),
        deposited=account.deposited,
        reference_currency=REFERENCE,
        created_at=moment,
    )


def reset(account: FakeAccount, command: ResetAccount, matching: Matching, moment: datetime) -> AccountState:
    """Begin anew."""
    check_active(account)
    _cancel_all(account, matching)
    account.starting_balance = command.starting_balance or account.starting_balance
    account.deposited = account.starting_balance
    account.totals = {REFERENCE: account.starting_balance}
    account.entries = {}
    account.reset_at = moment
    return _state(account)


def archive(account: FakeAccount, _command: ArchiveAccount, matching: Matching) -> AccountState:
    """End."""
    _cancel_all(account, matching)
    account.is_archived = True
    return _state(account)


def equity(account: FakeAccount, currency: str, market: Market) -> Equity:
    """Tell what the account is worth in `currency`."""
    rate = market.value(currency, REFERENCE)
    stakes = []
    for held, amount in account.totals.items():
        price = market.value(held, REFERENCE)
        known = price is not None and rate is not None
        value = round(amount * (price or ZERO) / (rate or Decimal(1)), 18) if known else None
        if amount:
            stakes.append(Stake(currency=held, amount=amount, value=value))
    return Equity(
        account=account.id,
        mode="paper",
        exchange=EXCHANGE,
        currency=currency,
        value=sum((stake.value for stake in stakes if stake.value is not None), ZERO),
        deposited=None if rate is None else account.deposited / rate,
        unrealized_pnl=ZERO,
        stakes=stakes,
        missing=None,
    )


def _cancel_all(account: FakeAccount, matching: Matching) -> None:
    for order in account.open_orders():
        if order.is_open:
            matching.close(account, order, "canceled")


def _state(account: FakeAccount) -> AccountState:
    return AccountState(
        account=account.id,
        status="archived" if account.is_archived else "active",
        starting_balance=account.starting_balance,
        deposited=account.deposited,
        reset_at=account.reset_at,
    )
