"""The worker, wired: takes jobs, does each on a thread, and holds its leases."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from services.jobs import Handler, Interrupted, Jobs, Run
from services.leases import LIVING, Leases
from utils.errors import StorageUnavailable, TradingError
from worker.schedule import Every, Schedule

_log = logging.getLogger(__name__)
POLL_SECONDS = 0.2
DRAIN_SECONDS = 5.0
OVERTIME_SECONDS = 10.0
"""How long a job may go on after it was interrupted; then the whole process ends, for a thread cannot be ended."""

SCHEDULE = "schedule"


class Worker:
    """Do jobs until asked to stop. `holder` names it among all workers, `lease` how long a dead one is waited for."""

    def __init__(
        self,
        jobs: Jobs,
        leases: Leases,
        handlers: Mapping[str, Handler],
        things: Sequence[Every],
        *,
        holder: str,
        lease: timedelta,
    ) -> None:
        self._jobs = jobs
        self._leases = leases
        self._handlers = handlers
        self._holder = holder
        self._lease = lease
        self._pool = ThreadPoolExecutor(threads_of(handlers), thread_name_prefix="job")
        self._runs: dict[tuple[str, int], tuple[Run, float]] = {}  # those at work, and until when they may take
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._leads_until = 0.0
        self._schedule = Schedule(things, lambda: time.monotonic() < self._leads_until)

    def run(self) -> None:
        """Work until `stop`."""
        recovered = self._jobs.recover(self._holder)
        if recovered:
            _log.info("%d jobs are begun anew: they were at work when the worker ended", recovered)
        holding = threading.Thread(target=self._hold, name="leases", daemon=True)
        holding.start()
        self._schedule.start()
        _log.info("worker ready")
        while not self._stopped.wait(POLL_SECONDS):
            try:
                while not self._stopped.is_set() and self._begin():
                    pass
            except StorageUnavailable as error:
                _log.warning("no jobs can be taken: %s", error.detail)
        self._drain()
        holding.join(DRAIN_SECONDS)

    def stop(self) -> None:
        """Take nothing more, and interrupt what is at work; may be called anywhere."""
        self._stopped.set()

    def _begin(self) -> bool:
        """Take what is due and has room, and tell whether there was something."""
        with self._lock:
            busy = Counter(run.kind for run, _ in self._runs.values())
        room = {kind: handler.at_once - busy[kind] for kind, handler in self._handlers.items()}
        taken = self._jobs.take(self._holder, room, self._lease)
        for run in taken:
            with self._lock:
                self._runs[run.id, run.attempt] = run, time.monotonic() + self._handlers[run.kind].seconds
            self._pool.submit(self._do, run)
        return bool(taken)

    def _do(self, run: Run) -> None:
        handler = self._handlers[run.kind]
        try:
            self._attempt(run, handler)
        except StorageUnavailable as error:
            # its lease will end, and it runs again
            _log.warning("how the job %s of kind %s ended could not be kept: %s", run.id, run.kind, error.detail)
        except Exception:
            _log.exception("the job %s of kind %s was lost sight of", run.id, run.kind)
        finally:
            with self._lock:
                del self._runs[run.id, run.attempt]

    def _attempt(self, run: Run, handler: Handler) -> None:
        try:
            run.check()
            handler.call(run)
        except Interrupted:
            if self._stopped.is_set():
                self._jobs.give_back(run)
            else:
                self._jobs.fail(run, handler, f"It took longer than {handler.seconds:g} seconds.")
        except TradingError as error:
            self._failed(run, handler, f"{error.code}: {error.detail}")
        except Exception as error:
            _log.exception("the job %s of kind %s failed in an unforeseen way", run.id, run.kind)
            self._failed(run, handler, f"{type(error).__name__}: {error}")
        else:
            self._jobs.succeed(run)

    def _failed(self, run: Run, handler: Handler, error: str) -> None:
        again = self._jobs.fail(run, handler, error)
        _log.log(
            logging.INFO if again else logging.ERROR,
            "the job %s of kind %s failed (attempt %d%s): %s",
            *(run.id, run.kind, run.attempt, "" if again else ", the last one", error),
        )

    def _hold(self) -> None:
        """Renew all leases, several times as often as they end."""
        pause = self._lease.total_seconds() / 5
        while True:
            began = time.monotonic()
            try:
                self._leases.take(LIVING + self._holder, self._holder, self._lease)
                if self._leases.take(SCHEDULE, self._holder, self._lease):
                    self._leads_until = began + self._lease.total_seconds() * 0.8
                self._jobs.renew(self._in_time(), self._lease)
            except StorageUnavailable as error:
                _log.warning("leases are not renewed: %s", error.detail)
            if self._stopped.wait(pause):
                return

    def _in_time(self) -> list[Run]:
        """Return the runs that may go on; interrupt those that may not, and end with one that does not hear."""
        now = time.monotonic()
        with self._lock:
            runs = list(self._runs.values())
        for run, until in runs:
            if now > until:
                run.ended.set()
            if now > until + OVERTIME_SECONDS:
                _log.error("the job %s of kind %s does not end; the worker starts anew", run.id, run.kind)
                os._exit(1)
        return [run for run, _ in runs]

    def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        with self._lock:
            for run, _ in self._runs.values():
                run.ended.set()
        self._schedule.stop(DRAIN_SECONDS / 2)
        while self._runs and time.monotonic() < deadline:
            time.sleep(0.02)
        self._pool.shutdown(wait=False, cancel_futures=True)
        try:
            self._leases.give_back(self._holder)
        except StorageUnavailable as error:
            _log.warning("leases end by themselves: %s", error.detail)


def threads_of(handlers: Mapping[str, Handler]) -> int:
    """Return how many jobs may be at work side by side."""
    return max(sum(handler.at_once for handler in handlers.values()), 1)
