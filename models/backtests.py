"""Backtests and sweeps: what was requested, and the results."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base


class BacktestRun(Base):
    """A strategy to be played on the candles of an exchange.

    `settings`, `portfolio` and `result` are JSON; `result` is there as soon as `state` is `succeeded`, never before.
    `data_file` is where its candles come from; the exchange's own for None.
    The run belongs to the process that holds `attempt`; one that was killed is taken over under the next number.
    """

    __tablename__ = "backtest_runs"
    __table_args__ = (Index("ix_backtest_runs_user_created", "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str] = mapped_column(String(16))
    progress: Mapped[int]
    attempt: Mapped[int]
    exchange: Mapped[str] = mapped_column(String(32))
    strategy_class: Mapped[str] = mapped_column(String(64))
    symbols: Mapped[str] = mapped_column(String(512))
    timeframe: Mapped[str] = mapped_column(String(8))
    settings: Mapped[str]
    portfolio: Mapped[str]
    fee: Mapped[Decimal | None]
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(String(512))
    result: Mapped[str | None]
    data_file: Mapped[str | None] = mapped_column(String(36))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BacktestSweep(Base):
    """A strategy to be played with every combination of some settings; each is a `SweepPoint`.

    `grid` is JSON: the values of each setting that is varied. `done` counts the points that are over.
    Like a run it belongs to the process that holds `attempt`; whoever takes it over goes on with the points left.
    """

    __tablename__ = "backtest_sweeps"
    __table_args__ = (Index("ix_backtest_sweeps_user_created", "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str] = mapped_column(String(16))
    done: Mapped[int]
    count: Mapped[int]
    attempt: Mapped[int]
    exchange: Mapped[str] = mapped_column(String(32))
    strategy_class: Mapped[str] = mapped_column(String(64))
    symbols: Mapped[str] = mapped_column(String(512))
    timeframe: Mapped[str] = mapped_column(String(8))
    grid: Mapped[str]
    portfolio: Mapped[str]
    fee: Mapped[Decimal | None]
    begins_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    data_file: Mapped[str | None] = mapped_column(String(36))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(String(512))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SweepPoint(Base):
    """One combination of a sweep: all settings, and `figures` (JSON) or an error as soon as it is over.

    Of one that the class refused at once `settings` are those that are varied alone.
    """

    __tablename__ = "sweep_points"

    sweep_id: Mapped[str] = mapped_column(ForeignKey("backtest_sweeps.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    settings: Mapped[str]
    figures: Mapped[str | None]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(String(512))


class DataFile(Base):
    """Candles that a user has uploaded. `series` is JSON; the candles are in files named after `id`, not in SQL."""

    __tablename__ = "data_files"
    __table_args__ = (Index("ix_data_files_user_created", "user_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(100))
    format: Mapped[str] = mapped_column(String(8))
    series: Mapped[str]
    left_out: Mapped[str]
    size: Mapped[int]
    created_at: Mapped[datetime]
