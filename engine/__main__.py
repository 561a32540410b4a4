"""Run the engine: `python -m engine`."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import signal
import sys
from typing import TextIO

import uvloop

import migrations
from config import Settings, SettingsError
from engine import octobot_log
from engine.engine import Engine
from models import Database
from utils import lifeline, logs
from utils.errors import TradingError

_log = logging.getLogger("engine")


def main() -> int:
    """Run until a signal, or the end of the supervisor, asks to stop; return the exit code."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"engine: {error}", file=sys.stderr)  # noqa: T201
        return 2
    logs.configure(settings, "engine")
    octobot_log.only_warnings()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _lock(settings)
    if lock is None:
        _log.error("another engine is running in %s", settings.data_dir)
        return 1
    with lock, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_run(settings))
        except (TradingError, ValueError, OSError) as error:
            _log.error("the engine cannot start: %s", error)
            return 1
    return 0


async def _run(settings: Settings) -> None:
    database = Database(settings.database_url, pool_size=1)
    migrations.upgrade(database)
    database.close()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.call_soon_threadsafe(stopped.set)

    supervised = lifeline.watch(stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        if supervised:
            # The supervisor stops the API first; a signal to the whole group must not overtake it.
            signal.signal(number, signal.SIG_IGN)
        else:
            loop.add_signal_handler(number, stopped.set)
    engine = Engine(settings)
    await engine.start()
    # What was imported stays for good: a full collection walked through all of it, 0.15 s during which nobody is
    # answered. From now on it walks through the accounts alone.
    gc.collect()
    gc.freeze()
    await stopped.wait()
    _log.info("engine stopping")
    await engine.stop()


def _lock(settings: Settings) -> TextIO | None:
    """Take the data directory for this process; None when another engine has it."""
    file = (settings.data_dir / "engine.lock").open("w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.write(str(os.getpid()))
    file.flush()
    return file


if __name__ == "__main__":
    sys.exit(main())
