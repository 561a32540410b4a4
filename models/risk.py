"""Risk limits and kill switches."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class RiskLimits(Base):
    """The limits an account's owner set; None is no limit. Values are in the account's reference currency.

    `allowed_symbols` is a JSON list; `price_collar` is a percentage of the mark price.
    """

    __tablename__ = "risk_limits"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    max_order_value: Mapped[Decimal | None]
    max_open_orders: Mapped[int | None]
    max_position_value: Mapped[Decimal | None]
    max_daily_loss: Mapped[Decimal | None]
    price_collar: Mapped[Decimal | None]
    allowed_symbols: Mapped[str | None]
    updated_at: Mapped[datetime]


class KillSwitch(Base):
    """An engaged kill switch; no row is a released one. `target` is an account's or a user's id, or empty."""

    __tablename__ = "kill_switches"

    scope: Mapped[str] = mapped_column(String(16), primary_key=True)
    target: Mapped[str] = mapped_column(String(36), primary_key=True)
    engaged_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    reason: Mapped[str | None] = mapped_column(String(256))
    engaged_at: Mapped[datetime]
