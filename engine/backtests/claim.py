"""A run in SQL, as the process that plays it sees it: taken, told of, and ended once."""

from __future__ import annotations

import time
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from models import BacktestRun, Database
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


class Claim:
    """Hold a run. What a process that was overtaken writes is lost, for its attempt has another number."""

    def __init__(self, database: Database, run_id: str) -> None:
        """Take the run. :raises Lost: it is over, or not there."""
        self._database = database
        self._id = run_id
        self._told = 0.0
        with database.write() as session:
            row = session.get(BacktestRun, run_id, with_for_update=True)
            if row is None or row.state not in {"queued", "running"}:
                raise Lost
            row.state, row.progress, row.attempt, row.updated_at = "running", 0, row.attempt + 1, clock.now()
            self._attempt = row.attempt
            self.wanted = Wanted(
                exchange=row.exchange,
                strategy_class=row.strategy_class,
                symbols=row.symbols.split(","),
                timeframe=row.timeframe,
                settings=msgspec.json.decode(row.settings),
                portfolio=msgspec.json.decode(row.portfolio, type=dict[str, Decimal]),
                fee=row.fee,
                begins_at=row.begins_at,
                ends_at=row.ends_at,
                data_file=_data_file(row.data_file, session.get(DataFileRow, row.data_file)) if row.data_file else None,
            )

    def progress(self, candles: int, of: int) -> None:
        """Tell how far it has come, every half second. :raises Lost: it is somebody else's, or nobody's."""
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            self._write(progress=candles * 100 // of)

    def succeed(self, played: Played) -> None:
        """Store what came of it. :raises Lost: it is somebody else's, or nobody's."""
        self._write(state="succeeded", progress=100, result=msgspec.json.encode(played).decode())

    def fail(self, error: TradingError) -> None:
        """Store why nothing came of it. :raises Lost: it is somebody else's, or nobody's."""
        self._write(state="failed", error_code=error.code, error=error.detail[:512])

    def _write(self, **values: Any) -> None:
        with self._database.write() as session:
            row = session.get(BacktestRun, self._id, with_for_update=True)
            if row is None or row.state != "running" or row.attempt != self._attempt:
                raise Lost
            for name, value in values.items():
                setattr(row, name, value)
            row.updated_at = clock.wall()


def _data_file(file_id: str, row: DataFileRow | None) -> DataFile:
    if row is None:
        return DataFile(id=file_id, series=None)
    series = [(each["symbol"], each["timeframe"]) for each in msgspec.json.decode(row.series)]
    return DataFile(id=file_id, series=series)
