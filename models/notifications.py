"""What users are told, in which ways, and how telling it went."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Notification(Base):
    """Something its user is told. `payload` is JSON: what it is about."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_user_created", "user_id", "created_at", "id"),
        Index("ix_notifications_user_read", "user_id", "read_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(String(200))
    payload: Mapped[str]
    read_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class NotificationSetting(Base):
    """The ways in which a user wants to be told of one kind of thing; without a row the defaults hold."""

    __tablename__ = "notification_settings"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    in_app: Mapped[bool]
    webhook: Mapped[bool]


class NotificationCursor(Base):
    """The last account event of a user that was looked at; it moves in the transaction that writes what came of it."""

    __tablename__ = "notification_cursors"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    event_id: Mapped[int] = mapped_column(BigInteger)


class Webhook(Base):
    """An address of a user's own that is told; its secret is sealed."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_user_created", "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    url: Mapped[str] = mapped_column(String(2048))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime]


class WebhookDelivery(Base):
    """One thing that one webhook is told: `pending` until it was taken (`succeeded`) or given up (`failed`).

    `body` is what is sent; `attempts`, `response_status` and `error` tell of the tries so far.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (Index("ix_webhook_deliveries_webhook_created", "webhook_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    body: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    response_status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(512))
    finished_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class PriceAlert(Base):
    """A price that its user waits for: fired once, by the first price at or beyond `level`.

    `condition` is `above`, `below` or `percent`, `value` what was asked for; of `percent` the level follows from the
    price `reference` at that time. What the market did until `checked_at` was looked at.
    """

    __tablename__ = "price_alerts"
    __table_args__ = (
        Index("ix_price_alerts_user_created", "user_id", "created_at", "id"),
        Index("ix_price_alerts_state", "state", "exchange", "symbol"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    exchange: Mapped[str] = mapped_column(String(32))
    symbol: Mapped[str] = mapped_column(String(64))
    condition: Mapped[str] = mapped_column(String(16))
    value: Mapped[Decimal]
    reference: Mapped[Decimal]
    level: Mapped[Decimal]
    is_upward: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16))
    checked_at: Mapped[datetime]
    fired_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
