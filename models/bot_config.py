"""The history of the configuration of the operator's bot."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class BotConfigChange(Base):
    """A change of the configuration, by a user of the API or, without `user_id`, by somebody else.

    `changes` and `snapshot`, what the bot runs with after it, are JSON without secrets; `version` names the state
    with them.
    """

    __tablename__ = "bot_config_changes"
    __table_args__ = (Index("ix_bot_config_changes_created", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(32))
    profile: Mapped[str] = mapped_column(String(256))
    version: Mapped[str] = mapped_column(String(32))
    changes: Mapped[str]
    snapshot: Mapped[str]
    created_at: Mapped[datetime]
