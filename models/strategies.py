"""Strategies, what they had to say, and the keys under which signals reach them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Strategy(Base):
    """A strategy on an account of its own, funded from its parent.

    `settings` and `memory` are JSON: what its owner chose, and what it must remember of its present run besides its
    orders, such as the price its grid was laid around. `run` counts how often it was started, or given other settings;
    `error_code` and `error` say why it failed.
    """

    __tablename__ = "strategies"
    __table_args__ = (
        UniqueConstraint("user_id", "name"),
        UniqueConstraint("account_id"),
        Index("ix_strategies_user_created", "user_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(64))
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    parent_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    strategy_class: Mapped[str] = mapped_column(String(64))
    portfolio_name: Mapped[str] = mapped_column(String(512))
    settings: Mapped[str]
    memory: Mapped[str | None]
    funding: Mapped[Decimal]
    state: Mapped[str] = mapped_column(String(16), index=True)
    run: Mapped[int]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(String(512))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class StrategyLogEntry(Base):
    """What a strategy did or could not do, in words."""

    __tablename__ = "strategy_log"
    __table_args__ = (Index("ix_strategy_log_strategy_created", "strategy_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    strategy_id: Mapped[str] = mapped_column(ForeignKey("strategies.id"))
    level: Mapped[str] = mapped_column(String(8))
    message: Mapped[str] = mapped_column(String(512))
    created_at: Mapped[datetime]


class SignalKey(Base):
    """A secret under which anybody may send alerts to a strategy; of the secret only its SHA-256 is kept."""

    __tablename__ = "signal_keys"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    strategy_id: Mapped[str] = mapped_column(ForeignKey("strategies.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    key_hint: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]
