"""Keep what ledger entries were worth when they were booked, and find equity samples by time.

Revision: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Money

revision = "0005"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("ledger_entries", sa.Column("value", Money(length=80), nullable=True))
    op.create_index("ix_equity_samples_at", "equity_samples", ["at"])
