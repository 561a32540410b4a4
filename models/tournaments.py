"""Tournaments: who takes part, in which teams, how they rank, and what they win."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class Tournament(Base):
    """A contest on paper between two moments, everybody with the same balance on an account of their own.

    `type` is `solo | team`, `account_type` is `spot | futures`, `visibility` is `public | private`; `symbols` is a JSON
    list. `marks` (JSON, by symbol) are the prices at which everybody's positions are closed: written once, before the
    first is. `prize_pool` is in `currency`, `prize_rules` is JSON. `created_by` is the administrator, `join_code_hash`
    the SHA-256 of a code. `ranked_at` is when the stored ranks were computed, `settled_at` when the final ones and the
    awards were written.
    """

    __tablename__ = "tournaments"
    __table_args__ = (
        Index("ix_tournaments_created", "created_at", "id"),
        Index("ix_tournaments_status_starts", "status", "starts_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(2000))
    rules: Mapped[str]
    type: Mapped[str] = mapped_column(String(8))
    status: Mapped[str] = mapped_column(String(16))
    visibility: Mapped[str] = mapped_column(String(8))
    exchange: Mapped[str] = mapped_column(String(32))
    account_type: Mapped[str] = mapped_column(String(16))
    currency: Mapped[str] = mapped_column(String(16))
    starting_balance: Mapped[Decimal]
    symbols: Mapped[str]
    max_leverage: Mapped[Decimal | None]
    prize_pool: Mapped[Decimal]
    prize_rules: Mapped[str]
    min_participants: Mapped[int]
    max_participants: Mapped[int | None]
    max_team_size: Mapped[int | None]
    min_account_age_days: Mapped[int]
    join_code_hash: Mapped[str | None] = mapped_column(String(64))
    registration_starts_at: Mapped[datetime | None]
    registration_ends_at: Mapped[datetime]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    status_reason: Mapped[str | None] = mapped_column(String(200))
    marks: Mapped[str | None]
    ranked_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Team(Base):
    """A team of a tournament; names that are read as the same have one `name_key`. The user `captain_id` made it."""

    __tablename__ = "tournament_teams"
    __table_args__ = (
        UniqueConstraint("tournament_id", "name_key"),
        Index("ix_tournament_teams_created", "tournament_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tournament_id: Mapped[str] = mapped_column(ForeignKey("tournaments.id"))
    name: Mapped[str] = mapped_column(String(64))
    name_key: Mapped[str] = mapped_column(String(64))
    captain_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]


class Participant(Base):
    """A user in a tournament, with an account of its own and, in a tournament of teams, a team.

    `closed_at` is when the account's orders were canceled and its positions closed for good; `final_value` is what it
    was worth then.
    """

    __tablename__ = "tournament_participants"
    __table_args__ = (
        UniqueConstraint("tournament_id", "user_id"),
        UniqueConstraint("account_id"),
        Index("ix_tournament_participants_joined", "tournament_id", "joined_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tournament_id: Mapped[str] = mapped_column(ForeignKey("tournaments.id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    team_id: Mapped[str | None] = mapped_column(ForeignKey("tournament_teams.id"), index=True)
    joined_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    final_value: Mapped[Decimal | None]


class _Standing:
    """What a participant, or a team, has reached: `value` is equity, `max_drawdown` a percentage of the `peak`.

    `reached_at` is when it came to its present return, which breaks the last ties.
    """

    rank: Mapped[int]
    value: Mapped[Decimal]
    peak: Mapped[Decimal]
    max_drawdown: Mapped[Decimal]
    trades: Mapped[int]
    wins: Mapped[int]
    losses: Mapped[int]
    volume: Mapped[Decimal]
    reached_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Rank(_Standing, Base):
    """The present rank of a participant; the final one once the tournament is settled."""

    __tablename__ = "tournament_ranks"
    __table_args__ = (Index("ix_tournament_ranks_tournament_rank", "tournament_id", "rank"),)

    participant_id: Mapped[str] = mapped_column(ForeignKey("tournament_participants.id"), primary_key=True)
    tournament_id: Mapped[str] = mapped_column(ForeignKey("tournaments.id"))
    last_trade_id: Mapped[str | None] = mapped_column(String(36))


class TeamRank(_Standing, Base):
    """The present rank of a team; the final one once the tournament is settled."""

    __tablename__ = "tournament_team_ranks"
    __table_args__ = (Index("ix_tournament_team_ranks_tournament_rank", "tournament_id", "rank"),)

    team_id: Mapped[str] = mapped_column(ForeignKey("tournament_teams.id"), primary_key=True)
    tournament_id: Mapped[str] = mapped_column(ForeignKey("tournaments.id"))


class PastRank(Base):
    """The rank that a participant had at a moment."""

    __tablename__ = "tournament_past_ranks"
    __table_args__ = (Index("ix_tournament_past_ranks_tournament_at", "tournament_id", "at"),)

    participant_id: Mapped[str] = mapped_column(ForeignKey("tournament_participants.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    tournament_id: Mapped[str] = mapped_column(ForeignKey("tournaments.id"))
    rank: Mapped[int]
    value: Mapped[Decimal]


class Award(Base):
    """What a participant wins, a record of what the operator pays: `pending | processing | paid | failed`."""

    __tablename__ = "tournament_awards"
    __table_args__ = (
        UniqueConstraint("tournament_id", "participant_id"),
        Index("ix_tournament_awards_user_created", "user_id", "created_at"),
        Index("ix_tournament_awards_tournament_place", "tournament_id", "place"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    tournament_id: Mapped[str] = mapped_column(ForeignKey("tournaments.id"))
    participant_id: Mapped[str] = mapped_column(ForeignKey("tournament_participants.id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    team_id: Mapped[str | None] = mapped_column(ForeignKey("tournament_teams.id"))
    place: Mapped[int]
    amount: Mapped[Decimal]
    currency: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    reference: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class LeaderboardEntry(Base):
    """What a user has reached in all settled tournaments; `growth` is the product of their returns.

    `score` is the return, with the sign turned, and `depth` the drawdown, in ten-thousandths of a percent: they sort on
    every database, and by one index, since the best have the smallest.
    """

    __tablename__ = "leaderboard_entries"
    __table_args__ = (Index("ix_leaderboard_entries_score", "score", "depth", "reached_at", "user_id"),)

    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), primary_key=True)
    tournaments: Mapped[int]
    wins: Mapped[int]
    podiums: Mapped[int]
    growth: Mapped[Decimal]
    score: Mapped[int] = mapped_column(BigInteger)
    max_drawdown: Mapped[Decimal]
    depth: Mapped[int] = mapped_column(BigInteger)
    trades: Mapped[int]
    reached_at: Mapped[datetime]
