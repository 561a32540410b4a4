"""Keep the parts running until a signal asks to stop, then drain them in order."""

from __future__ import annotations

import contextlib
import logging
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType

from utils.part import Part

DRAIN_SECONDS = 27.0
"""How long parts may take to finish after a signal; then they are killed."""
HURRY_SECONDS = 1.0
"""The same after a second signal."""
LAST_WORDS_SECONDS = 2.5
"""What a part is given at least, however late it was asked."""
SAME_SIGNAL_SECONDS = 1.0
"""Signals this close together are one wish: make hands on what the whole group received already."""
GIVE_UP_DEATHS = 3
SLOW_SECONDS = 30.0
PROBE_SECONDS = 0.1

log = logging.getLogger(__name__)


class Supervisor:
    """Run parts in the given order and stop them in the reverse one.

    `probe` tells whether the whole is ready; it is asked on a thread of its own until it says so, and `announce` is
    called then. `before_stop` is called first when stopping.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        probe: Callable[[], bool],
        announce: Callable[[], None],
        before_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._parts = list(parts)
        self._probe = probe
        self._announce = announce
        self._before_stop = before_stop
        self._ready = threading.Event()
        self._wishes: list[float] = []  # when signals to stop came
        self._asked_by = ""  # the name of the last one
        self._over = threading.Event()
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)

    def listen(self) -> None:
        """Take over the process's signals: from here on SIGTERM, SIGINT and SIGHUP mean a clean stop."""
        signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._wish)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # rings the bell

    def run(self) -> int:
        """Return the exit code: 0 after a signal, 1 when a part does not get up."""
        threading.Thread(target=self._watch, name="ready", daemon=True).start()
        code = 0
        while not self._wishes:
            hopeless = self._tend()
            if hopeless is not None:
                log.error("%s; giving up. Its own lines above say why.", hopeless)
                code = 1
                break
            self._rest(self._until_next_start())
        if self._wishes:
            log.info("Stopping (%s)", self._asked_by)
        self._over.set()
        self._drain()
        return code

    def _tend(self) -> str | None:
        """Start what is due; return what is beyond hope, if anything."""
        for part in self._parts:
            end = part.reap()
            if end is not None:
                if not self._ready.is_set() and part.deaths >= GIVE_UP_DEATHS:
                    return f"The {part.name} ended {part.deaths} times before it was ready ({end})"
                log.warning("The %s ended (%s); starting it again", part.name, end)
            due = part.due
            if due is not None and due <= time.monotonic() and not self._wishes:
                part.start()
        return None

    def _until_next_start(self) -> float:
        dues = [part.due for part in self._parts if part.due is not None]
        return max(min(dues, default=float("inf")) - time.monotonic(), 0.0)

    def _drain(self) -> None:
        self._before_stop()
        asked_first = time.monotonic()
        for part in reversed(self._parts):
            part.stop()
            asked = time.monotonic()
            hurried = False
            while part.is_running:
                second = self._second_wish()
                if second is not None and not hurried:
                    hurried = True
                    part.hurry()
                limit = asked_first + DRAIN_SECONDS if second is None else second + HURRY_SECONDS
                rest = max(limit, asked + LAST_WORDS_SECONDS) - time.monotonic()
                if rest <= 0:
                    log.warning("The %s did not stop in time; killing it", part.name)
                    break
                self._rest(min(rest, 0.2))
            part.kill()

    def _second_wish(self) -> float | None:
        later = [at for at in self._wishes if at - self._wishes[0] > SAME_SIGNAL_SECONDS]
        return later[0] if later else None

    def _wish(self, number: int, _frame: FrameType | None) -> None:
        self._asked_by = signal.Signals(number).name
        self._wishes.append(time.monotonic())

    def _rest(self, seconds: float) -> None:
        """Sleep until a signal (a child's death is one) or for `seconds`."""
        readable, _, _ = select.select([self._bell], [], [], min(seconds, 60.0))
        if readable:
            with contextlib.suppress(BlockingIOError):
                self._bell.recv(4096)

    def _watch(self) -> None:
        slow = time.monotonic() + SLOW_SECONDS
        while not self._over.is_set():
            if self._probe():
                self._ready.set()
                self._announce()
                return
            if time.monotonic() > slow:
                slow += SLOW_SECONDS
                log.warning("Not ready yet; /health/ready says what is missing")
            self._over.wait(PROBE_SECONDS)
