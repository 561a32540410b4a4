"""Play a sweep: the same candles again and again, with other settings each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import uvloop
from msgspec.structs import replace

from engine.backtests.claim import TELL_SECONDS, Held, Wanted
from engine.backtests.play import play
from engine.backtests.run import Backtest
from engine.demo.recording import Recording, RecordingError
from models import BacktestSweep, Database, SweepPoint
from utils.backtest_figures import Figures, figures_of
from utils.errors import Refused, TradingError
from utils.wire import TIMEFRAMES

Read = Callable[[Wanted], tuple[Backtest, Sequence[Recording]]]
"""Returns the candles that are played, as for a run of its own."""


class Point(msgspec.Struct, frozen=True):
    """A combination that is to be played."""

    number: int
    settings: dict[str, Any]


class SweepClaim(Held[BacktestSweep]):
    """Hold a sweep; what is over stays over, whoever takes it next goes on with the rest."""

    def __init__(self, database: Database, sweep_id: str) -> None:
        """Take the sweep. :raises Lost: it is over, or not there."""
        self._told = 0.0
        super().__init__(database, BacktestSweep, sweep_id)
        with database.write() as session:
            left = session.query(SweepPoint).filter_by(sweep_id=sweep_id, figures=None, error_code=None)
            rows = left.order_by(SweepPoint.number).all()
            self.points = [Point(row.number, msgspec.json.decode(row.settings)) for row in rows]

    def check(self, _candles: int, _of: int) -> None:
        """Go on if the sweep may, every half second. :raises Lost: it may not."""
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            with self.writing():
                pass

    def end_point(self, point: Point, figures: Figures | None, error: TradingError | None = None) -> None:
        """Store what came of a combination. :raises Lost: the sweep is somebody else's, or nobody's."""
        with self.writing() as (session, sweep):
            row = session.get(SweepPoint, (sweep.id, point.number))
            row.figures = None if figures is None else msgspec.json.encode(figures).decode()
            if error is not None:
                row.error_code, row.error = error.code, error.detail[:512]
            sweep.done += 1

    def succeed(self) -> None:
        """Note that all of it was played. :raises Lost: it is somebody else's, or nobody's."""
        with self.writing() as (_, row):
            row.state = "succeeded"


def play_all(claim: SweepClaim, read: Read, passing: tuple[type[TradingError], ...]) -> None:
    """Play what is left of a sweep; a combination that fails says why, and the others go on.

    :param passing: errors that say nothing of a combination: it is to be played again.
    """
    for point in claim.points:
        try:
            claim.end_point(point, _figures(claim, read, point))
        except passing:
            raise
        except TradingError as error:
            claim.end_point(point, None, error)
        except RecordingError as error:
            claim.end_point(point, None, Refused(str(error), code="no_candles"))
    claim.succeed()


def _figures(claim: SweepClaim, read: Read, point: Point) -> Figures:
    backtest, recordings = read(replace(claim.wanted, settings=point.settings))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        played = runner.run(play(backtest, recordings, claim.check))
    return figures_of(played, timedelta(seconds=TIMEFRAMES[claim.wanted.timeframe]))
