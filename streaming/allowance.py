"""A token bucket for each user: a burst of requests, and then so many per second."""

from __future__ import annotations

import math
import time

from utils.errors import TooMany


class Allowance:
    """Count what users ask for, over all their connections, also those that are closed."""

    def __init__(self, *, at_once: int, per_second: float) -> None:
        self._at_once = at_once
        self._per_second = per_second
        self._whole_at: dict[str, float] = {}
        """When a user may ask for `at_once` again; who has not asked for longest comes first."""

    def take(self, user_id: str, count: int) -> None:
        """Let a user ask for `count` things, all of them or none. :raises TooMany: `rate_limited`."""
        now = time.monotonic()
        self._forget(now)
        whole_at = max(self._whole_at.get(user_id, now), now) + count / self._per_second
        wait = whole_at - now - self._at_once / self._per_second
        if wait > 0:
            raise TooMany("You ask for too much at once.", code="rate_limited", retry_after=math.ceil(wait))
        self._whole_at.pop(user_id, None)
        self._whole_at[user_id] = whole_at

    def _forget(self, now: float) -> None:
        """Forget those first in line whose allowance is whole."""
        while self._whole_at:
            first = next(iter(self._whole_at))
            if self._whole_at[first] > now:
                return
            del self._whole_at[first]
