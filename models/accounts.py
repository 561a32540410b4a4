"""Accounts: owner + mode + exchange + portfolio."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Account(Base):
    """A portfolio on one exchange, on paper or live. The engine books `starting_balance` when it first opens it.

    `type` is `spot` or `futures`; a live account trades with the keys of `credential_id`. `deposited` is what was paid
    in since `reset_at` (the opening when None), in the reference currency; None before the engine opened the account.
    """

    __tablename__ = "accounts"
    __table_args__ = (Index("ix_accounts_user_created", "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(64))
    mode: Mapped[str] = mapped_column(String(8))
    exchange: Mapped[str] = mapped_column(String(32))
    type: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(16))
    reference_currency: Mapped[str] = mapped_column(String(16))
    starting_balance: Mapped[Decimal]
    credential_id: Mapped[str | None] = mapped_column(ForeignKey("credentials.id"), index=True)
    deposited: Mapped[Decimal | None]
    reset_at: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(16), default="active")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Balance(Base):
    """What an account has of a currency: always the sum of its ledger entries.

    `entry_price` is the average cost of one unit in the account's reference currency.
    """

    __tablename__ = "balances"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(String(16), primary_key=True)
    total: Mapped[Decimal]
    entry_price: Mapped[Decimal | None]


class LedgerEntry(Base):
    """One movement of one currency. Rows are only ever added.

    `value` is what it was worth in the account's reference currency when it was booked; None when no market told.
    `exchange_entry_id` is the exchange's own id of what moved a futures wallet: nothing is booked twice.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        Index("ix_ledger_entries_account_currency", "account_id", "currency", "id"),
        Index(
            "uq_ledger_entries_exchange_entry",
            "account_id",
            "exchange_entry_id",
            unique=True,
            sqlite_where=text("exchange_entry_id IS NOT NULL"),
            postgresql_where=text("exchange_entry_id IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    currency: Mapped[str] = mapped_column(String(16))
    amount: Mapped[Decimal]
    kind: Mapped[str] = mapped_column(String(16))
    order_id: Mapped[str | None] = mapped_column(String(36))
    trade_id: Mapped[str | None] = mapped_column(String(36))
    value: Mapped[Decimal | None]
    exchange_entry_id: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime]


class Position(Base):
    """A position in a perpetual: `amount` in base units, negative when short.

    A row with amount 0 keeps the `leverage` the owner chose. `margin` is locked in the settlement currency;
    `realized_pnl` is what it gained since it was opened, after fees, `funding` what it got (or paid) since then, and
    `funded_at` the last funding moment that was booked.
    """

    __tablename__ = "positions"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    symbol: Mapped[str] = mapped_column(String(32), primary_key=True)
    amount: Mapped[Decimal]
    entry_price: Mapped[Decimal | None]
    leverage: Mapped[Decimal]
    margin: Mapped[Decimal]
    liquidation_price: Mapped[Decimal | None]
    realized_pnl: Mapped[Decimal]
    funding: Mapped[Decimal]
    opened_at: Mapped[datetime | None]
    funded_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class EquitySample(Base):
    """What an account was worth at a moment, and what had been deposited until then, in its reference currency."""

    __tablename__ = "equity_samples"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    value: Mapped[Decimal]
    deposited: Mapped[Decimal]
