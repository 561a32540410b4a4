"""Know what moved a live futures wallet by the exchange's id of it, so that nothing is booked twice.

Revision: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("ledger_entries", sa.Column("exchange_entry_id", sa.String(80), nullable=True))
    op.create_index(
        "uq_ledger_entries_exchange_entry", "ledger_entries", ["account_id", "exchange_entry_id"], unique=True
    )
