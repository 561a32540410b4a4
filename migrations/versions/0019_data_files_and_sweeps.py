"""Add uploaded candles and sweeps of backtests.

Revision: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0019"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "data_files",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("left_out", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_data_files_user_id_users"),
        sa.PrimaryKeyConstraint("id", name="pk_data_files"),
    )
    op.create_index("ix_data_files_user_created", "data_files", ["user_id", "created_at", "id"])
    op.add_column("backtest_runs", sa.Column("data_file", sa.String(length=36), nullable=True))
