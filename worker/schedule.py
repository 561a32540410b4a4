"""Periodic work: done by one of all workers, at once after a start and then every so many seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services import WorkerServices
from utils.errors import TradingError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Every:
    """Call something every `seconds`, counted from one start to the next.

    It looks at what is due by what SQL says, so that nothing is missed after a downtime, and may be killed anywhere.
    What takes longer than moments belongs into a job.
    """

    name: str
    seconds: float
    call: Callable[[], None]


def schedule(services: WorkerServices) -> Sequence[Every]:
    """Return what there is to do."""
    return [
        Every(name="account events", seconds=1.0, call=services.event_reader.run),
        Every(name="price alerts", seconds=1.0, call=services.alert_watch.run),
        Every(name="tournaments", seconds=0.5, call=services.tournament_schedule.run),
        Every(name="mail", seconds=1.0, call=services.mails.gather),
        # takes longer than moments when tentacles have changed; the bot's home remembers what it led to
        Every(name="tentacle schemas", seconds=5.0, call=services.tentacle_schemas.fill),
        Every(name="old jobs", seconds=3600.0, call=services.jobs.forget),
        Every(name="old idempotency keys", seconds=3600.0, call=services.idempotency.forget),
        Every(name="old deliveries", seconds=3600.0, call=services.webhooks.forget),
        Every(name="forgotten uploads", seconds=3600.0, call=services.data_files.forget),
        Every(name="old mail", seconds=3600.0, call=services.mails.forget),
        Every(name="old notifications", seconds=3600.0, call=services.notifications.forget),
    ]


class Schedule:
    """Do each thing on a thread of its own, while `may_run` says so: one that hangs keeps no other from its time."""

    def __init__(self, things: Sequence[Every], may_run: Callable[[], bool]) -> None:
        self._may_run = may_run
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(each,), name=each.name, daemon=True) for each in things
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Begin nothing more, and wait at most `seconds` for what is at work."""
        self._stopped.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def _repeat(self, thing: Every) -> None:
        due, told = time.monotonic(), ""
        # another worker's turn may become this one's within a second
        while not self._stopped.wait(max(due - time.monotonic(), 0.01) if self._may_run() else 0.2):
            if not self._may_run() or time.monotonic() < due:
                continue
            due = time.monotonic() + thing.seconds
            try:
                thing.call()
                told = ""
            except TradingError as error:
                if error.detail != told:  # an engine that is away is away for more than one turn
                    _log.warning("%s: %s", thing.name, error.detail)
                told = error.detail
            except Exception:
                _log.exception("%s went wrong", thing.name)
