"""Play one run: `python -m engine.backtests <run id>`, a process of its own, for its clock is the candles'."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading

import uvloop

from config import Settings, SettingsError
from engine import octobot_log
from engine.backtests.candles import read
from engine.backtests.claim import Claim, Lost
from engine.backtests.play import play
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


def main(run_id: str) -> int:
    """Play the run, and return 0 when it is over, however it ended."""
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
        _play(settings, database, run_id)
    except Lost:
        _log.info("backtest %s is not to be played any more", run_id)
    except PASSING as error:
        _log.warning("backtest %s has to wait: %s", run_id, error.detail)
        return AGAIN
    finally:
        database.close()
    return 0


def _end_with_parent() -> None:
    """End when whoever started this process has closed its standard input, or was killed."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(AGAIN)


def _play(settings: Settings, database: Database, run_id: str) -> None:
    claim = Claim(database, run_id)
    try:
        backtest, recordings = read(
            OctoBotBridge(UnixTransport(settings.engine_socket)), claim.wanted, settings.candle_dir
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            played = runner.run(play(backtest, recordings, claim.progress))
    except PASSING:
        raise
    except TradingError as error:
        claim.fail(error)
    except RecordingError as error:
        claim.fail(Refused(str(error), code="no_candles"))
    else:
        claim.succeed(played)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
