"""Run the streamer: `python -m streaming`."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import resource
import signal
import sys
from typing import TextIO

import uvloop

import services
from config import Settings, SettingsError
from streaming.streamer import SQL_THREADS, Streamer
from utils import lifeline, logs

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
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = _lock(settings)
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

    def stop() -> None:
        loop.call_soon_threadsafe(stopped.set)

    # threads that read for clients wait for the loop's turn to end; five milliseconds, many times over, are too long
    sys.setswitchinterval(SWITCH_SECONDS)
    supervised = lifeline.watch(stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        if supervised:
            # The supervisor stops the others first; a signal to the whole group must not overtake it.
            signal.signal(number, signal.SIG_IGN)
        else:
            loop.add_signal_handler(number, stopped.set)
    streamer = Streamer(settings, services.build_for_streams(settings, threads=SQL_THREADS))
    await streamer.start()
    # what was imported stays for good; collections need not walk through it
    gc.collect()
    gc.freeze()
    await stopped.wait()
    _log.info("streamer stopping")
    await streamer.stop()


def _lock(settings: Settings) -> TextIO | None:
    """Take the data directory for this process; None when another streamer has it."""
    file = (settings.data_dir / "streamer.lock").open("w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _allow_descriptors() -> None:
    """Take as many descriptors as the system allows: every client is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
