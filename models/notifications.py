"""Notifications, the ways in which users want them, and their delivery."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Notification(Base):
    """Something its user is told. `payload` is JSON: what it is about."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_user_created", "user_id", "created_at", "id"),
        Index("ix_notifications_user_read", "user_id", "read_at"),
        Index("ix_notifications_created", "created_at"),
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
    email: Mapped[bool] = mapped_column(default=False)
    bot: Mapped[bool] = mapped_column(default=False)


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
    __table_args__ = (
        Index("ix_webhook_deliveries_webhook_created", "webhook_id", "created_at", "id"),
        Index("ix_webhook_deliveries_created", "created_at"),
    )

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


class MailAddress(Base):
    """The e-mail address that a user has proved, or is proving by a code, to be theirs.

    `digest` is the SHA-256 of the code that was sent last, good until `good_until` and for so many `attempts`.
    It is confirmed for this `email` alone: one who has another address since then proves that anew.
    """

    __tablename__ = "mail_addresses"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    email: Mapped[str] = mapped_column(String(254))
    digest: Mapped[str | None] = mapped_column(String(64))
    good_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    asked_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]


class MailDelivery(Base):
    """One thing that a user is told by e-mail: `pending` until a server took it (`succeeded`) or it was `failed`.

    `mail_id` is the mail that it is a part of, and the job that sends it; None while it waits for one.
    """

    __tablename__ = "mail_deliveries"
    __table_args__ = (
        Index("ix_mail_deliveries_user_created", "user_id", "created_at", "id"),
        Index("ix_mail_deliveries_mail", "mail_id"),
        Index("ix_mail_deliveries_created", "created_at"),
        Index(
            "ix_mail_deliveries_waiting",
            "user_id",
            "created_at",
            sqlite_where=text("mail_id IS NULL"),
            postgresql_where=text("mail_id IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str]
    mail_id: Mapped[str | None] = mapped_column(String(36))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(String(512))
    finished_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Announcement(Base):
    """Something that an administrator tells every user who was there and active; `told` counts those it has reached.

    `reached` is the last user, in the order of their ids, whose turn has been: it moves in the transaction that tells.
    """

    __tablename__ = "announcements"
    __table_args__ = (Index("ix_announcements_created", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    author_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str] = mapped_column(String(200))
    message: Mapped[str]
    reached: Mapped[str] = mapped_column(String(36), default="")
    told: Mapped[int] = mapped_column(default=0)
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
