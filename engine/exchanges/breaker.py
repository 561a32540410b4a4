"""A circuit breaker: an exchange that keeps failing is left alone for a while, and so are those who wait for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from utils.errors import EngineUnavailable

MAX_OPEN_SECONDS = 30.0


class Breaker:
    """Count consecutive failures of one account's calls; after `failures` refuse for `open_seconds`, then try one."""

    def __init__(
        self, name: str, failures: int, open_seconds: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._limit = failures
        self._open_seconds = min(open_seconds, MAX_OPEN_SECONDS)
        self._now = now
        self._failures = 0
        self._until = 0.0
        self._left_alone_until = 0.0
        """Until when the exchange asked for it; an answer to what was under way before does not end that."""

    @property
    def wait(self) -> float:
        """Return for how many seconds nothing should be asked."""
        return max(max(self._until, self._left_alone_until) - self._now(), 0.0)

    def check(self) -> None:
        """Let a call pass, the first of those that come when the time is up as a trial.

        :raises EngineUnavailable: `exchange_unavailable` while the breaker is open.
        """
        if self.wait > 0:
            raise EngineUnavailable(
                f"{self._name} does not answer; nothing was done.",
                code="exchange_unavailable",
                retry_after=math.ceil(self.wait),
            )
        if self._failures >= self._limit:
            self._until = self._now() + self._open_seconds  # one tries; the others wait for what comes of it

    def succeeded(self) -> None:
        """Note an answer."""
        self._failures, self._until = 0, 0.0

    def failed(self, retry_after: float | None = None) -> None:
        """Note that none came, or that the exchange asked to be left alone for `retry_after` seconds."""
        self._failures += 1
        if self._failures >= self._limit:
            self._until = self._now() + self._open_seconds
        if retry_after is not None:
            self._left_alone_until = max(self._left_alone_until, self._now() + retry_after)
