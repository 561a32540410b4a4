"""Run the worker: `python -m worker`."""

from __future__ import annotations

import logging
import os
import sys
import threading
from datetime import timedelta
from typing import TextIO

import services
from config import Settings, SettingsError
from utils import ids, logs, process
from utils.bot_bridge import BotBridge
from utils.unix_transport import UnixTransport
from worker.bot import STOP_SECONDS, Keeper, bot_part
from worker.handlers import handlers
from worker.schedule import schedule
from worker.worker import Worker

_log = logging.getLogger("worker")
SCHEMA_SECONDS = 0.2


def main() -> int:
    """Run until a signal, or the end of the supervisor, asks to stop; return the exit code."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201
        return 2
    logs.configure(settings, "worker")
    lock = process.take(settings.data_dir, "worker")
    if lock is None:
        _log.error("another worker is running in %s", settings.data_dir)
        return 1
    with lock:
        _run(settings, _name(lock))
    # what did not end in time is begun anew by whoever comes next
    logging.shutdown()
    os._exit(0)


def _run(settings: Settings, holder: str) -> None:
    stopped = threading.Event()
    process.at_end(stopped.set)
    built = services.build_for_worker(settings)
    while not built.is_schema_current():  # the engine or the supervisor is migrating it
        if stopped.wait(SCHEMA_SECONDS):
            return
    worker = Worker(
        built.jobs,
        built.leases,
        handlers(built),
        schedule(built),
        holder=holder,
        lease=timedelta(seconds=settings.job_lease_seconds),
    )
    keeper = Keeper(
        built.bot_records,
        built.bot_accounts,
        built.leases,
        BotBridge(UnixTransport(settings.bot_socket, "bot"), timeout=2.0),
        bot_part(os.environ, lambda: built.bot_records.demo(settings)),
        holder=holder,
        last_words=settings.bot_last_words,
    )
    keeping = threading.Thread(target=keeper.run, name="bot", daemon=True)
    keeping.start()
    threading.Thread(target=_stop_when, args=(stopped, worker, keeper), name="stop", daemon=True).start()
    worker.run()
    keeping.join(STOP_SECONDS + 2)
    _log.info("worker stopped")
    built.close()


def _stop_when(stopped: threading.Event, worker: Worker, keeper: Keeper) -> None:
    stopped.wait()
    keeper.stop()
    worker.stop()


def _name(lock: TextIO) -> str:
    """Return the name of the worker of this data directory: it has its predecessor's, whose jobs are begun anew."""
    lock.seek(0)
    name = lock.read().strip()
    if not name:
        name = ids.new_id()
        lock.write(name)
        lock.flush()
    return name


if __name__ == "__main__":
    sys.exit(main())
