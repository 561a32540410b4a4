"""Run the engine: `python -m engine`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys

import uvloop

import migrations
from config import Settings, SettingsError
from engine import octobot_log
from engine.engine import Engine
from models import Database
from utils import logs, process
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
    lock = process.take(settings.data_dir, "engine")
    if lock is None:
        _log.error("another engine is running in %s", settings.data_dir)
        return 1
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
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

    process.at_end(lambda: loop.call_soon_threadsafe(stopped.set))
    engine = Engine(settings)
    await engine.start()
    # What was imported stays for good: a full collection walked through all of it, 0.15 s during which nobody is
    # answered. From now on it walks through the accounts alone.
    gc.collect()
    gc.freeze()
    await stopped.wait()
    _log.info("engine stopping")
    await engine.stop()


if __name__ == "__main__":
    sys.exit(main())
