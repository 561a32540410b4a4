"""Keep in the indexes of exchanges' own ids only rows that have one: paper trades need not be written there.

Revision: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_INDEXES = (
    ("uq_trades_exchange_trade", "trades", ["account_id", "symbol", "exchange_trade_id"]),
    ("uq_ledger_entries_exchange_entry", "ledger_entries", ["account_id", "exchange_entry_id"]),
)


def upgrade() -> None:
    """Apply."""
    for name, table, columns in _INDEXES:
        has_one = sa.text(f"{columns[-1]} IS NOT NULL")
        op.drop_index(name, table)
        op.create_index(name, table, columns, unique=True, sqlite_where=has_one, postgresql_where=has_one)


def downgrade() -> None:
    """Take back."""
    for name, table, columns in _INDEXES:
        op.drop_index(name, table)
        op.create_index(name, table, columns, unique=True)
