"""The job that plays a backtest, in a separate process that ends with the job, however that ends."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import Any

from services.backtests.backtests import Backtests
from services.backtests.plays import Plays
from services.backtests.sweeps import Sweeps
from services.jobs import MOST_STARTS, Handler, Run

PLAY_SECONDS = 1_800.0
"""How long a run may take, with what it waits for the engine and the database."""
SWEEP_SECONDS = 7_200.0
"""The same for a sweep."""
SPARE_SECONDS = 60.0
"""What a job has beyond that to end its run by itself: one that is interrupted may not."""
ATTEMPTS = 3
POLL_SECONDS = 0.2
END_SECONDS = 2.0
AGAIN = 75
"""How the process says that the engine or the database did not answer: that is no crash."""
AGAIN_SECONDS = 5.0


class Ended(Exception):
    """The process ended before the run was over."""


def handler(backtests: Backtests) -> Handler:
    """Return what plays backtests, one at a time: each takes a whole core."""
    return _handler(backtests, PLAY_SECONDS)


def sweep_handler(sweeps: Sweeps) -> Handler:
    """Return what plays sweeps, one at a time, beside a backtest: those need not wait for a long sweep."""
    return _handler(sweeps, SWEEP_SECONDS)


def _handler(plays: Plays[Any], seconds: float) -> Handler:
    kind = plays.NAMED

    def play(run: Run) -> None:
        row_id = str(run.payload[kind])
        if not plays.is_open(row_id):
            return
        until = time.monotonic() + seconds
        while (code := _play(run, kind, row_id, until)) == AGAIN and time.monotonic() < until:
            run.ended.wait(AGAIN_SECONDS)
            run.check()
        if code and run.attempt >= ATTEMPTS:
            plays.fail(row_id, f"Its process ended {ATTEMPTS} times, at last with exit code {code}.")
        elif code:
            raise Ended(f"exit code {code}")

    # the job goes on until its run is over: here it is counted how often that is tried
    return Handler(call=play, seconds=seconds + SPARE_SECONDS, at_once=1, attempts=MOST_STARTS, first_delay=2.0)


def _play(run: Run, kind: str, row_id: str, until: float) -> int:
    """Return the exit code of the process, which is ended at `until`.

    :raises Interrupted: the job may not go on; the process has ended.
    """
    command = (sys.executable, "-m", "engine.backtests", row_id, kind)
    # the pipe closes with this process, also when it is killed: the other one ends then
    with (
        # here and not there, for a process that is killed leaves its files behind
        tempfile.TemporaryDirectory(prefix="backtest-") as directory,
        subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, "TMPDIR": directory}) as process,
    ):
        try:
            while process.poll() is None and time.monotonic() < until:
                run.check()
                time.sleep(POLL_SECONDS)
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            process.kill()
    return process.returncode
