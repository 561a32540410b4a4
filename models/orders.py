"""Orders, trades and the keys that make placing repeatable."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Order(Base):
    """An order. `trailing_level` is the best price a trailing order has seen; `group_id` joins an OCO pair.

    `parent_id` is the entry of a bracket that an exit belongs to; `take_profit` and `stop_loss` are the exits (JSON)
    that an entry will place. A live order has `sent_at` before anything is sent, `exchange_order_id` once the exchange
    has told it, and `replaced_by` when an edit made a new one of it.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("account_id", "client_order_id"),
        Index("ix_orders_account_created", "account_id", "created_at", "id"),
        Index("ix_orders_user_created", "user_id", "created_at", "id"),
        Index(
            "ix_orders_open",
            "account_id",
            "status",
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    client_order_id: Mapped[str] = mapped_column(String(48))
    mode: Mapped[str] = mapped_column(String(8))
    exchange: Mapped[str] = mapped_column(String(32))
    symbol: Mapped[str] = mapped_column(String(32))
    side: Mapped[str] = mapped_column(String(4))
    type: Mapped[str] = mapped_column(String(24))
    status: Mapped[str] = mapped_column(String(16))
    amount: Mapped[Decimal]
    filled: Mapped[Decimal]
    price: Mapped[Decimal | None]
    stop_price: Mapped[Decimal | None]
    trailing_percent: Mapped[Decimal | None]
    trailing_level: Mapped[Decimal | None]
    average: Mapped[Decimal | None]
    cost: Mapped[Decimal]
    fee_currency: Mapped[str | None] = mapped_column(String(16))
    fee_cost: Mapped[Decimal | None]
    time_in_force: Mapped[str] = mapped_column(String(4))
    reduce_only: Mapped[bool]
    group_id: Mapped[str | None] = mapped_column(String(36))
    parent_id: Mapped[str | None] = mapped_column(String(36))
    take_profit: Mapped[str | None]
    stop_loss: Mapped[str | None]
    exchange_order_id: Mapped[str | None] = mapped_column(String(64))
    sent_at: Mapped[datetime | None]
    replaced_by: Mapped[str | None] = mapped_column(String(36))
    triggered_at: Mapped[datetime | None]
    reject_code: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class Trade(Base):
    """A fill. `realized_pnl` is in the account's reference currency, after fees.

    `exchange_trade_id` is the exchange's own id of a live fill: no fill is booked twice.
    """

    __tablename__ = "trades"
    __table_args__ = (
        # paper trades, of which there are many more, have nothing to keep unique
        Index(
            "uq_trades_exchange_trade",
            "account_id",
            "symbol",
            "exchange_trade_id",
            unique=True,
            sqlite_where=text("exchange_trade_id IS NOT NULL"),
            postgresql_where=text("exchange_trade_id IS NOT NULL"),
        ),
        Index("ix_trades_account_created", "account_id", "created_at", "id"),
        Index("ix_trades_user_created", "user_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"), index=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    mode: Mapped[str] = mapped_column(String(8))
    exchange: Mapped[str] = mapped_column(String(32))
    symbol: Mapped[str] = mapped_column(String(32))
    side: Mapped[str] = mapped_column(String(4))
    price: Mapped[Decimal]
    amount: Mapped[Decimal]
    cost: Mapped[Decimal]
    fee_currency: Mapped[str | None] = mapped_column(String(16))
    fee_cost: Mapped[Decimal | None]
    realized_pnl: Mapped[Decimal | None]
    exchange_trade_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]


class IdempotencyKey(Base):
    """The outcome of a request that came with a key: the order it made, or the answer or fault (JSON) it was given."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    order_id: Mapped[str | None] = mapped_column(String(36))
    answer: Mapped[str | None]
    fault: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
