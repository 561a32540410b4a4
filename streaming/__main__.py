"""Run the streamer: `python -m streaming`."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
import sys

import uvloop

import services
from config import Settings, SettingsError
from streaming.streamer import SQL_THREADS, Streamer
from utils import logs, process

_log = logging.getLogger("streamer")
SWITCH_SECONDS = 0.0005


def main() -> int:
    """Run until a signal, or the end of the supervisor, asks to stop; return the exit code."""
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        print(f"streamer: {error}", file=sys.stderr)  # noqa: T201
        return 2
    logs.configure(settings, "streamer")
    lock = process.take(settings.data_dir, "streamer")
    if lock is None:
        _log.error("another streamer is running in %s", settings.data_dir)
        return 1
    _allow_descriptors()
    with lock, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_run(settings))
        except OSError as error:
            _log.error("the streamer cannot start: %s", error)
            return 1
    return 0


async def _run(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    # threads that read for clients wait for the loop's turn to end; five milliseconds, many times over, are too long
    sys.setswitchinterval(SWITCH_SECONDS)
    process.at_end(lambda: loop.call_soon_threadsafe(stopped.set))
    streamer = Streamer(settings, services.build_for_streams(settings, threads=SQL_THREADS))
    await streamer.start()
    # what was imported stays for good; collections need not walk through it
    gc.collect()
    gc.freeze()
    await stopped.wait()
    _log.info("streamer stopping")
    await streamer.stop()


def _allow_descriptors() -> None:
    """Take as many descriptors as the system allows: every client is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
