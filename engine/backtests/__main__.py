"""Play one run: `python -m engine.backtests <id>`, or with `sweep` a sweep. The process's clock is the candles'."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

from config import Settings, SettingsError
from engine import octobot_log
from engine.backtests.candles import read
from engine.backtests.claim import Claim, Lost
from engine.backtests.play import play
from engine.backtests.sweep import SweepClaim, play_all
from engine.demo.recording import RecordingError
from models import Database
from utils import logs
from utils.errors import BridgeError, NotReady, Overloaded, Refused, StorageUnavailable, TradingError
from utils.octobot_bridge import OctoBotBridge, UnixTransport

_log = logging.getLogger("backtest")
PASSING = (BridgeError, NotReady, Overloaded, StorageUnavailable)
"""Errors that say nothing of the run: it is to be played again."""
AGAIN = 75
"""EX_TEMPFAIL of `sysexits.h`."""


def main(row_id: str, kind: str = "run") -> int:
    """Play the run or the sweep, and return 0 when it is over, however it ended."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"backtest: {error}", file=sys.stderr)  # noqa: T201
        return 2
    logs.configure(settings, "backtest")
    octobot_log.only_warnings()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    database = Database(settings.database_url, pool_size=1)
    try:
        (play_sweep if kind == "sweep" else play_run)(settings, database, row_id)
    except Lost:
        _log.info("backtest %s is not to be played any more", row_id)
    except PASSING as error:
        _log.warning("backtest %s has to wait: %s", row_id, error.detail)
        return AGAIN
    finally:
        database.close()
    return 0


def _end_with_parent() -> None:
    """End when whoever started this process has closed its standard input, or was killed."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(AGAIN)


def play_run(settings: Settings, database: Database, run_id: str) -> None:
    """Play a run. :raises Lost: it is not to be played any more. :raises TradingError: one of `PASSING`."""
    claim = Claim(database, run_id)
    with _failures(claim):
        backtest, recordings = read(_bridge(settings), claim.wanted, settings.candle_dir)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            claim.succeed(runner.run(play(backtest, recordings, claim.progress)))


def play_sweep(settings: Settings, database: Database, sweep_id: str) -> None:
    """Play what is left of a sweep; raises as `play_run` does."""
    claim = SweepClaim(database, sweep_id)
    with _failures(claim):
        bridge = _bridge(settings)
        play_all(claim, lambda wanted: read(bridge, wanted, settings.candle_dir), PASSING)


def _bridge(settings: Settings) -> OctoBotBridge:
    return OctoBotBridge(UnixTransport(settings.engine_socket))


@contextmanager
def _failures(claim: Claim | SweepClaim) -> Iterator[None]:
    """Store why nothing came of it, unless it is to be tried again."""
    try:
        yield
    except PASSING:
        raise
    except TradingError as error:
        claim.fail(error)
    except RecordingError as error:
        claim.fail(Refused(str(error), code="no_candles"))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
