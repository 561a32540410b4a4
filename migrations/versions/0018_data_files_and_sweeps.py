"""Add uploaded candles and sweeps of backtests.

Revision: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Money, UtcDateTime

revision = "0018"
down_revision = "0017"
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
    op.create_table(
        "backtest_sweeps",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("exchange", sa.String(length=32), nullable=False),
        sa.Column("strategy_class", sa.String(length=64), nullable=False),
        sa.Column("symbols", sa.String(length=512), nullable=False),
        sa.Column("timeframe", sa.String(length=8), nullable=False),
        sa.Column("grid", sa.String(), nullable=False),
        sa.Column("portfolio", sa.String(), nullable=False),
        sa.Column("fee", Money(length=80), nullable=True),
        sa.Column("begins_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ends_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("data_file", sa.String(length=36), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error", sa.String(length=512), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_backtest_sweeps_user_id_users"),
        sa.PrimaryKeyConstraint("id", name="pk_backtest_sweeps"),
    )
    op.create_index("ix_backtest_sweeps_user_created", "backtest_sweeps", ["user_id", "created_at", "id"])
    op.create_table(
        "sweep_points",
        sa.Column("sweep_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("settings", sa.String(), nullable=False),
        sa.Column("figures", sa.String(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error", sa.String(length=512), nullable=True),
        sa.ForeignKeyConstraint(["sweep_id"], ["backtest_sweeps.id"], name="fk_sweep_points_sweep_id_backtest_sweeps"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sweep_points_user_id_users"),
        sa.PrimaryKeyConstraint("sweep_id", "number", name="pk_sweep_points"),
    )
    op.create_index("ix_sweep_points_user_id", "sweep_points", ["user_id"])
