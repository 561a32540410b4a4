"""Add what a position got or paid as funding.

Revision: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Money

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("positions", sa.Column("funding", Money(length=80), nullable=False, server_default="0"))
