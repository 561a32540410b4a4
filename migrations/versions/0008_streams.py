"""Let account events be forgotten, and give out tickets for streams.

Revision: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("event_counters", sa.Column("forgotten_id", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "stream_tickets",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("session_id", sa.String(length=36), nullable=False),
        sa.Column("good_until", UtcDateTime(timezone=True), nullable=False),
        sa.Column("is_used", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_stream_tickets_session_id_sessions"),
        sa.PrimaryKeyConstraint("digest", name="pk_stream_tickets"),
    )
    op.create_index("ix_stream_tickets_good_until", "stream_tickets", ["good_until"])
    op.create_index("ix_stream_tickets_session_id", "stream_tickets", ["session_id"])
