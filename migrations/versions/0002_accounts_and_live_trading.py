"""Add credentials, risk limits, kill switches, positions, equity samples, and what live orders need.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Money, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "credentials",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("exchange", sa.String(length=32), nullable=False),
        sa.Column("key_hint", sa.String(length=16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("permissions", sa.String(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("verified_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_credentials_user_id_users"),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
        sa.UniqueConstraint("user_id", "name", name="uq_credentials_user_id_name"),
    )
    op.create_index("ix_credentials_key_id", "credentials", ["key_id"])
    _extend_accounts()
    _extend_orders()
    op.create_table(
        "positions",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("symbol", sa.String(length=32), nullable=False),
        sa.Column("amount", Money(length=80), nullable=False),
        sa.Column("entry_price", Money(length=80), nullable=True),
        sa.Column("leverage", Money(length=80), nullable=False),
        sa.Column("margin", Money(length=80), nullable=False),
        sa.Column("liquidation_price", Money(length=80), nullable=True),
        sa.Column("realized_pnl", Money(length=80), nullable=False),
        sa.Column("opened_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("funded_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_positions_account_id_accounts"),
        sa.PrimaryKeyConstraint("account_id", "symbol", name="pk_positions"),
    )
    op.create_table(
        "equity_samples",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("value", Money(length=80), nullable=False),
        sa.Column("deposited", Money(length=80), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_equity_samples_account_id_accounts"),
        sa.PrimaryKeyConstraint("account_id", "at", name="pk_equity_samples"),
    )
    op.create_table(
        "risk_limits",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("max_order_value", Money(length=80), nullable=True),
        sa.Column("max_open_orders", sa.Integer(), nullable=True),
        sa.Column("max_position_value", Money(length=80), nullable=True),
        sa.Column("max_daily_loss", Money(length=80), nullable=True),
        sa.Column("price_collar", Money(length=80), nullable=True),
        sa.Column("allowed_symbols", sa.String(), nullable=True),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_risk_limits_account_id_accounts"),
        sa.PrimaryKeyConstraint("account_id", name="pk_risk_limits"),
    )
    op.create_table(
        "kill_switches",
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=36), nullable=False),
        sa.Column("engaged_by", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=256), nullable=True),
        sa.Column("engaged_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["engaged_by"], ["users.id"], name="fk_kill_switches_engaged_by_users"),
        sa.PrimaryKeyConstraint("scope", "target", name="pk_kill_switches"),
    )


def _extend_accounts() -> None:
    # As SQL: SQLite takes a reference with a new column, but would rebuild the table (and fail, since others refer to
    # it) for a constraint that is added apart.
    op.execute(
        "ALTER TABLE accounts ADD COLUMN credential_id VARCHAR(36)"
        " CONSTRAINT fk_accounts_credential_id_credentials REFERENCES credentials (id)"
    )
    op.create_index("ix_accounts_credential_id", "accounts", ["credential_id"])
    op.add_column("accounts", sa.Column("deposited", Money(length=80), nullable=True))
    op.add_column("accounts", sa.Column("reset_at", UtcDateTime(timezone=True), nullable=True))
    # every account that the engine has opened holds its starting balance as its one deposit
    op.execute(
        "UPDATE accounts SET deposited = starting_balance"
        " WHERE EXISTS (SELECT 1 FROM balances WHERE balances.account_id = accounts.id)"
    )


def _extend_orders() -> None:
    op.add_column("orders", sa.Column("parent_id", sa.String(length=36), nullable=True))
    op.add_column("orders", sa.Column("take_profit", sa.String(), nullable=True))
    op.add_column("orders", sa.Column("stop_loss", sa.String(), nullable=True))
    op.add_column("orders", sa.Column("exchange_order_id", sa.String(length=64), nullable=True))
    op.add_column("orders", sa.Column("sent_at", UtcDateTime(timezone=True), nullable=True))
    op.add_column("orders", sa.Column("replaced_by", sa.String(length=36), nullable=True))
    op.add_column("trades", sa.Column("exchange_trade_id", sa.String(length=64), nullable=True))
    op.create_index("uq_trades_exchange_trade", "trades", ["account_id", "symbol", "exchange_trade_id"], unique=True)
    op.add_column("idempotency_keys", sa.Column("answer", sa.String(), nullable=True))
