"""Jobs that are still to be done, and who is doing them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Job(Base):
    """One piece of work for a worker, written in the transaction that wants it done.

    `state` is `queued | running | succeeded | failed | canceled`; `payload` is JSON; `attempts` counts the starts.
    While it runs it is `holder`'s until `lease_until`; after that anybody may run it again. `key` makes it unique.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state_run_at", "state", "run_at"),
        Index("ix_jobs_state_finished_at", "state", "finished_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    key: Mapped[str | None] = mapped_column(String(200), unique=True)
    payload: Mapped[str]
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    run_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    holder: Mapped[str | None] = mapped_column(String(36))
    lease_until: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(512))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Lease(Base):
    """What a worker has for itself until a moment: `worker:<id>` says that it lives, `schedule` is the schedule."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(36))
    until: Mapped[datetime]
