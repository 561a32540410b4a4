"""The row of a run in SQL: claimed by the process that plays it, updated by it, and ended once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from models import BacktestRun, BacktestSweep, Database
from models import DataFile as DataFileRow
from utils import clock
from utils.backtests import Played
from utils.errors import TradingError

TELL_SECONDS = 0.5


class Lost(Exception):
    """The run was canceled or deleted, or another process has taken it over."""


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """An upload; `series` are the market and the time frame of each of its files. None: it was deleted."""

    id: str
    series: list[tuple[str, str]] | None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be played."""

    exchange: str
    strategy_class: str
    symbols: list[str]
    timeframe: str
    settings: dict[str, Any]
    portfolio: dict[str, Decimal]
    fee: Decimal | None
    begins_at: datetime
    ends_at: datetime
    data_file: DataFile | None


class Held[Row: BacktestRun | BacktestSweep]:
    """Hold a row. What a process that was overtaken writes is lost, for its attempt has another number."""

    def __init__(self, database: Database, table: type[Row], row_id: str) -> None:
        """Take the row. :raises Lost: it is over, or not there."""
        self._database = database
        self._table = table
        self._id = row_id
        with database.write() as session:
            row = session.get(table, row_id, with_for_update=True)
            if row is None or row.state not in {"queued", "running"}:
                raise Lost
            row.state, row.attempt, row.updated_at = "running", row.attempt + 1, clock.wall()
            self._attempt = row.attempt
            self._take(row)
            self.wanted = Wanted(
                exchange=row.exchange,
                strategy_class=row.strategy_class,
                symbols=row.symbols.split(","),
                timeframe=row.timeframe,
                settings={},
                portfolio=msgspec.json.decode(row.portfolio, type=dict[str, Decimal]),
                fee=row.fee,
                begins_at=row.begins_at,
                ends_at=row.ends_at,
                data_file=_data_file(row.data_file, session.get(DataFileRow, row.data_file)) if row.data_file else None,
            )

    def fail(self, error: TradingError) -> None:
        """Store why nothing came of it. :raises Lost: it is somebody else's, or nobody's."""
        with self.writing() as (_, row):
            row.state, row.error_code, row.error = "failed", error.code, error.detail[:512]

    @contextmanager
    def writing(self) -> Iterator[tuple[Any, Row]]:
        """Give the row to be written, and the session. :raises Lost: it is somebody else's, or nobody's."""
        with self._database.write() as session:
            row = session.get(self._table, self._id, with_for_update=True)
            if row is None or row.state != "running" or row.attempt != self._attempt:
                raise Lost
            yield session, row
            row.updated_at = clock.wall()

    def _take(self, row: Row) -> None:
        """Begin: what else is to be written, or read, when the row is taken."""


class Claim(Held[BacktestRun]):
    """Hold a run."""

    def __init__(self, database: Database, run_id: str) -> None:
        """Take the run. :raises Lost: it is over, or not there."""
        self._told = 0.0
        self._settings: dict[str, Any] = {}
        super().__init__(database, BacktestRun, run_id)
        self.wanted = replace(self.wanted, settings=self._settings)

    def _take(self, row: BacktestRun) -> None:
        row.progress = 0
        self._settings = msgspec.json.decode(row.settings)

    def progress(self, candles: int, of: int) -> None:
        """Tell how far it has come, every half second. :raises Lost: it is somebody else's, or nobody's."""
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            with self.writing() as (_, row):
                row.progress = candles * 100 // of

    def succeed(self, played: Played) -> None:
        """Store what came of it. :raises Lost: it is somebody else's, or nobody's."""
        with self.writing() as (_, row):
            row.state, row.progress, row.result = "succeeded", 100, msgspec.json.encode(played).decode()


def _data_file(file_id: str, row: DataFileRow | None) -> DataFile:
    if row is None:
        return DataFile(id=file_id, series=None)
    series = [(each["symbol"], each["timeframe"]) for each in msgspec.json.decode(row.series)]
    return DataFile(id=file_id, series=series)
