"""What commands make of accounts, and what many accounts are worth, as both sides of the bridge speak of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from utils.wire.base import Message
from utils.wire.trading import Mode


class Deposit(Message, frozen=True, kw_only=True):
    """What was paid into an account: `value` in its reference currency; `total` and `deposited` are after it."""

    account: str
    currency: str
    amount: Decimal
    value: Decimal
    total: Decimal
    deposited: Decimal
    reference_currency: str
    created_at: datetime


class AccountState(Message, frozen=True, kw_only=True):
    """What the engine changes of an account; `deposited` counts since `reset_at`."""

    account: str
    status: str
    starting_balance: Decimal
    deposited: Decimal | None
    reset_at: datetime | None


class Stake(Message, frozen=True, kw_only=True):
    """What is held of one currency; `value` is None when no market tells."""

    currency: str
    amount: Decimal
    value: Decimal | None


class Equity(Message, frozen=True, kw_only=True):
    """What an account is worth in `currency`: what its stakes and its open positions (`unrealized_pnl`) are worth.

    `missing` is the code of why it cannot be told at all, such as an exchange that is away; all values are None then.
    """

    account: str
    mode: Mode
    exchange: str
    currency: str
    value: Decimal | None
    deposited: Decimal | None
    unrealized_pnl: Decimal | None
    stakes: list[Stake]
    missing: str | None
