"""One supervised process: started in a session of its own, on a lifeline, and started again when it dies."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from utils import lifeline

RESTART_DELAYS = (0.0, 0.5, 1.0, 2.0, 4.0, 5.0)
"""Seconds before the first, second, … start after a death; the last one repeats."""
STEADY_SECONDS = 10.0
"""A part that lived this long starts again at once when it dies, if it has no such time of its own."""

log = logging.getLogger(__name__)


class Part:
    """Hold one child process.

    A part is asked to stop with `stop_signal` or, when that is None, by letting go of its lifeline.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
        stop_signal: signal.Signals | None = None,
        steady_seconds: float = STEADY_SECONDS,
    ) -> None:
        self.name = name
        self.deaths = 0
        self.code: int | None = None
        """How the process ended that was reaped last, as `Popen.returncode` tells it."""
        self._command = list(command)
        self._environment = dict(environment)
        self._descriptors = tuple(descriptors)
        self._stop_signal = stop_signal
        self._steady_seconds = steady_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._started = 0.0
        self._heard: float | None = None
        self._due = 0.0

    @property
    def due(self) -> float | None:
        """Return when to start it (on the monotonic clock), or None while it runs."""
        return self._due if self._process is None else None

    @property
    def is_running(self) -> bool:
        """Tell whether its process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Return the id of its process, None when there is none."""
        return None if self._process is None else self._process.pid

    def start(self, *arguments: str, descriptors: Sequence[int] = ()) -> None:
        """Start the process, with `arguments` after its command.

        :param descriptors: what only this start passes on, beside what every one does.
        :raises OSError: when the system cannot start another one.
        """
        reading, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*self._command, *arguments],
                env={**self._environment, lifeline.VARIABLE: str(reading)},
                stdin=subprocess.DEVNULL,
                pass_fds=(*self._descriptors, *descriptors, reading),
                # Ctrl-C in the terminal reaches the supervisor alone, which stops its parts in order.
                start_new_session=True,
            )
        finally:
            os.close(reading)
        self._started, self._heard = time.monotonic(), None

    def reap(self) -> str | None:
        """Return how it ended when it has since the last call, and plan its next start."""
        if self._process is None or self._process.poll() is None:
            return None
        code = self.code = self._process.returncode
        self._process = None
        self._let_go()
        now = time.monotonic()
        lived = (now if self._heard is None else self._heard) - self._started
        self.deaths = 1 if lived >= self._steady_seconds else self.deaths + 1
        self._due = now + RESTART_DELAYS[min(self.deaths, len(RESTART_DELAYS)) - 1]
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def stop(self) -> None:
        """Ask it to finish what it does and end."""
        if self._stop_signal is None:
            self._let_go()
        else:
            self._send(self._stop_signal)

    def hurry(self) -> None:
        """Ask it to drop what it does and end, if it listens to signals at all."""
        if self._stop_signal is not None:
            self._send(signal.SIGQUIT)

    def kill(self, *, heard: float | None = None) -> None:
        """End the process and all it has started, now.

        :param heard: when one that has hung last gave a sign of life (on the monotonic clock): longer it has not lived,
            or one that hangs at each of its starts would seem steady for the patience it was shown.
        """
        self._heard = heard
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._let_go()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _let_go(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
