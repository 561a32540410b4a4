"""Add strategies, their log and the keys under which signals reach them.

Revision: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Money, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "strategies",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=False),
        sa.Column("strategy_class", sa.String(length=64), nullable=False),
        sa.Column("portfolio_name", sa.String(length=512), nullable=False),
        sa.Column("settings", sa.String(), nullable=False),
        sa.Column("memory", sa.String(), nullable=True),
        sa.Column("funding", Money(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error", sa.String(length=512), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_strategies_user_id_users"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_strategies_account_id_accounts"),
        sa.ForeignKeyConstraint(["parent_id"], ["accounts.id"], name="fk_strategies_parent_id_accounts"),
        sa.PrimaryKeyConstraint("id", name="pk_strategies"),
        sa.UniqueConstraint("user_id", "name", name="uq_strategies_user_id_name"),
        sa.UniqueConstraint("account_id", name="uq_strategies_account_id"),
    )
    op.create_index("ix_strategies_user_created", "strategies", ["user_id", "created_at", "id"])
    op.create_index("ix_strategies_parent_id", "strategies", ["parent_id"])
    op.create_index("ix_strategies_state", "strategies", ["state"])
    op.create_table(
        "strategy_log",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("strategy_id", sa.String(length=36), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("message", sa.String(length=512), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["strategy_id"], ["strategies.id"], name="fk_strategy_log_strategy_id_strategies"),
        sa.PrimaryKeyConstraint("id", name="pk_strategy_log"),
    )
    op.create_index("ix_strategy_log_strategy_created", "strategy_log", ["strategy_id", "created_at", "id"])
    op.create_table(
        "signal_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("strategy_id", sa.String(length=36), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("key_hint", sa.String(length=8), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["strategy_id"], ["strategies.id"], name="fk_signal_keys_strategy_id_strategies"),
        sa.PrimaryKeyConstraint("id", name="pk_signal_keys"),
        sa.UniqueConstraint("key_hash", name="uq_signal_keys_key_hash"),
    )
    op.create_index("ix_signal_keys_strategy_id", "signal_keys", ["strategy_id"])
