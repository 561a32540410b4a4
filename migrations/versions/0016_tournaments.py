"""Add tournaments: participants, teams, ranks and awards.

Revision: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.base import Money, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "tournaments",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("rules", sa.String(), nullable=False),
        sa.Column("type", sa.String(length=8), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("visibility", sa.String(length=8), nullable=False),
        sa.Column("exchange", sa.String(length=32), nullable=False),
        sa.Column("account_type", sa.String(length=16), nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("starting_balance", Money(length=80), nullable=False),
        sa.Column("symbols", sa.String(), nullable=False),
        sa.Column("max_leverage", Money(length=80), nullable=True),
        sa.Column("prize_pool", Money(length=80), nullable=False),
        sa.Column("prize_rules", sa.String(), nullable=False),
        sa.Column("min_participants", sa.Integer(), nullable=False),
        sa.Column("max_participants", sa.Integer(), nullable=True),
        sa.Column("max_team_size", sa.Integer(), nullable=True),
        sa.Column("min_account_age_days", sa.Integer(), nullable=False),
        sa.Column("join_code_hash", sa.String(length=64), nullable=True),
        sa.Column("registration_starts_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("registration_ends_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("starts_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ends_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("finished_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("status_reason", sa.String(length=200), nullable=True),
        sa.Column("marks", sa.String(), nullable=True),
        sa.Column("ranked_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("settled_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_tournaments_created_by_users"),
        sa.PrimaryKeyConstraint("id", name="pk_tournaments"),
    )
    op.create_index("ix_tournaments_created", "tournaments", ["created_at", "id"])
    op.create_index("ix_tournaments_status_starts", "tournaments", ["status", "starts_at"])
    op.create_table(
        "tournament_teams",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tournament_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("name_key", sa.String(length=64), nullable=False),
        sa.Column("captain_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tournament_id"], ["tournaments.id"], name="fk_tournament_teams_tournament_id_tournaments"
        ),
        sa.ForeignKeyConstraint(["captain_id"], ["users.id"], name="fk_tournament_teams_captain_id_users"),
        sa.PrimaryKeyConstraint("id", name="pk_tournament_teams"),
        sa.UniqueConstraint("tournament_id", "name_key", name="uq_tournament_teams_tournament_id_name_key"),
    )
    op.create_index("ix_tournament_teams_created", "tournament_teams", ["tournament_id", "created_at", "id"])
    op.create_table(
        "tournament_participants",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tournament_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("team_id", sa.String(length=36), nullable=True),
        sa.Column("joined_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("closed_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("final_value", Money(length=80), nullable=True),
        sa.ForeignKeyConstraint(
            ["tournament_id"], ["tournaments.id"], name="fk_tournament_participants_tournament_id_tournaments"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tournament_participants_user_id_users"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_tournament_participants_account_id_accounts"),
        sa.ForeignKeyConstraint(
            ["team_id"], ["tournament_teams.id"], name="fk_tournament_participants_team_id_tournament_teams"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tournament_participants"),
        sa.UniqueConstraint("tournament_id", "user_id", name="uq_tournament_participants_tournament_id_user_id"),
        sa.UniqueConstraint("account_id", name="uq_tournament_participants_account_id"),
    )
    op.create_index(
        "ix_tournament_participants_joined", "tournament_participants", ["tournament_id", "joined_at", "id"]
    )
    op.create_index("ix_tournament_participants_team_id", "tournament_participants", ["team_id"])
    op.create_index("ix_tournament_participants_user_id", "tournament_participants", ["user_id"])
    op.create_table(
        "tournament_ranks",
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("tournament_id", sa.String(length=36), nullable=False),
        sa.Column("last_trade_id", sa.String(length=36), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("value", Money(length=80), nullable=False),
        sa.Column("peak", Money(length=80), nullable=False),
        sa.Column("max_drawdown", Money(length=80), nullable=False),
        sa.Column("trades", sa.Integer(), nullable=False),
        sa.Column("wins", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("volume", Money(length=80), nullable=False),
        sa.Column("reached_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["tournament_participants.id"],
            name="fk_tournament_ranks_participant_id_tournament_participants",
        ),
        sa.ForeignKeyConstraint(
            ["tournament_id"], ["tournaments.id"], name="fk_tournament_ranks_tournament_id_tournaments"
        ),
        sa.PrimaryKeyConstraint("participant_id", name="pk_tournament_ranks"),
    )
    op.create_index("ix_tournament_ranks_tournament_rank", "tournament_ranks", ["tournament_id", "rank"])
    op.create_table(
        "tournament_team_ranks",
        sa.Column("team_id", sa.String(length=36), nullable=False),
        sa.Column("tournament_id", sa.String(length=36), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("value", Money(length=80), nullable=False),
        sa.Column("peak", Money(length=80), nullable=False),
        sa.Column("max_drawdown", Money(length=80), nullable=False),
        sa.Column("trades", sa.Integer(), nullable=False),
        sa.Column("wins", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("volume", Money(length=80), nullable=False),
        sa.Column("reached_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["tournament_teams.id"], name="fk_tournament_team_ranks_team_id_tournament_teams"
        ),
        sa.ForeignKeyConstraint(
            ["tournament_id"], ["tournaments.id"], name="fk_tournament_team_ranks_tournament_id_tournaments"
        ),
        sa.PrimaryKeyConstraint("team_id", name="pk_tournament_team_ranks"),
    )
    op.create_index("ix_tournament_team_ranks_tournament_rank", "tournament_team_ranks", ["tournament_id", "rank"])
    op.create_table(
        "tournament_past_ranks",
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("tournament_id", sa.String(length=36), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("value", Money(length=80), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["tournament_participants.id"],
            name="fk_tournament_past_ranks_participant_id_tournament_participants",
        ),
        sa.ForeignKeyConstraint(
            ["tournament_id"], ["tournaments.id"], name="fk_tournament_past_ranks_tournament_id_tournaments"
        ),
        sa.PrimaryKeyConstraint("participant_id", "at", name="pk_tournament_past_ranks"),
    )
    op.create_index("ix_tournament_past_ranks_tournament_at", "tournament_past_ranks", ["tournament_id", "at"])
    op.create_table(
        "tournament_awards",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tournament_id", sa.String(length=36), nullable=False),
        sa.Column("participant_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("team_id", sa.String(length=36), nullable=True),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("amount", Money(length=80), nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tournament_id"], ["tournaments.id"], name="fk_tournament_awards_tournament_id_tournaments"
        ),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["tournament_participants.id"],
            name="fk_tournament_awards_participant_id_tournament_participants",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_tournament_awards_user_id_users"),
        sa.ForeignKeyConstraint(
            ["team_id"], ["tournament_teams.id"], name="fk_tournament_awards_team_id_tournament_teams"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tournament_awards"),
        sa.UniqueConstraint(
            "tournament_id", "participant_id", name="uq_tournament_awards_tournament_id_participant_id"
        ),
    )
    op.create_index("ix_tournament_awards_tournament_place", "tournament_awards", ["tournament_id", "place"])
    op.create_index("ix_tournament_awards_user_created", "tournament_awards", ["user_id", "created_at"])
    op.create_table(
        "leaderboard_entries",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("tournaments", sa.Integer(), nullable=False),
        sa.Column("wins", sa.Integer(), nullable=False),
        sa.Column("podiums", sa.Integer(), nullable=False),
        sa.Column("growth", Money(length=80), nullable=False),
        sa.Column("score", sa.BigInteger(), nullable=False),
        sa.Column("max_drawdown", Money(length=80), nullable=False),
        sa.Column("depth", sa.BigInteger(), nullable=False),
        sa.Column("trades", sa.Integer(), nullable=False),
        sa.Column("reached_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_leaderboard_entries_user_id_users"),
        sa.PrimaryKeyConstraint("user_id", name="pk_leaderboard_entries"),
    )
    op.create_index("ix_leaderboard_entries_score", "leaderboard_entries", ["score", "depth", "reached_at", "user_id"])
