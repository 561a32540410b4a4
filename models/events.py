"""What happened: account events that clients resume from, and the audit log."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base

RECONCILE = "reconcile:"
"""Begins the key of a fact of the installation: the live account whose id follows was restored, and what is known of
its exchange ends at the moment that is the value."""
RESET = "reset"
"""The event after which a client has to read everything anew: ids before it are missing, or belong to a lost past."""


class Event(Base):
    """An account event. Ids grow by one per user, without gaps; `payload` is the JSON that clients get."""

    __tablename__ = "events"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    type: Mapped[str] = mapped_column(String(16))
    payload: Mapped[str]
    created_at: Mapped[datetime]


class EventCounter(Base):
    """The last event id of each user; advanced in the transaction that writes the events.

    Events up to `forgotten_id` were too old and are deleted.
    """

    __tablename__ = "event_counters"

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    last_id: Mapped[int] = mapped_column(BigInteger)
    forgotten_id: Mapped[int] = mapped_column(BigInteger, default=0)


class AuditEntry(Base):
    """Who did what, to what, from where, with which outcome. `detail` is JSON without secrets.

    `number` and `seal` are its place in the hash chain (`models/seals.py`); None until it is sealed.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_created", "created_at", "id"),
        Index("uq_audit_log_number", "number", unique=True),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    created_at: Mapped[datetime]
    user_id: Mapped[str | None] = mapped_column(String(36), index=True)
    action: Mapped[str] = mapped_column(String(64))
    target: Mapped[str | None] = mapped_column(String(128))
    outcome: Mapped[str] = mapped_column(String(16))
    error_code: Mapped[str | None] = mapped_column(String(64))
    ip: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    detail: Mapped[str | None]
    number: Mapped[int | None] = mapped_column(BigInteger)
    seal: Mapped[str | None] = mapped_column(String(64))


class Installation(Base):
    """Facts of this installation that must outlive a restart, such as the demo market's seed and epoch."""

    __tablename__ = "installation"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str]
