"""Exchange credentials: a user's API keys, sealed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Credential(Base):
    """A user's keys to an exchange. `sealed` is AES-GCM under the key `key_id` of the key ring, never plain text.

    `key_hint` is what the owner knows it by; `permissions` is JSON, None until an exchange has told them.
    """

    __tablename__ = "credentials"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(64))
    exchange: Mapped[str] = mapped_column(String(32))
    key_hint: Mapped[str] = mapped_column(String(16))
    sealed: Mapped[bytes]
    key_id: Mapped[str] = mapped_column(String(32), index=True)
    permissions: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(16))
    error_code: Mapped[str | None] = mapped_column(String(64))
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
