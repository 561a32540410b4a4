"""Hits counted in advance: callers far from a limit are counted many at a time, by the worker that serves them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

LEASE = 32
"""How many hits a worker counts at once at most. What it has not used when the limit is reached, nobody uses."""

FAR = 64
"""A lease takes at most one part in so many of what is left, so that hits are counted singly near the limit."""

KEPT = 10_000


class Standing(NamedTuple):
    """Where a caller stands with a limit: its `amount`, what is `remaining`, and when it begins anew (Unix seconds)."""

    amount: int
    remaining: int
    reset: float


@dataclass
class _Lease:
    left: int
    standing: Standing
    """After every hit of the lease."""


class Leases:
    """Remember what this process has counted in advance, by caller."""

    def __init__(self) -> None:
        self._leases: dict[str, _Lease] = {}
        self._lock = threading.Lock()

    def use(self, key: str) -> Standing | None:
        """Use a hit that is counted already and return where it leaves the caller; None when there is none."""
        lease = self._leases.get(key)
        if lease is None:
            return None
        with self._lock:
            if lease.left <= 0 or lease.standing.reset <= time.time():
                return None
            lease.left -= 1
            return lease.standing._replace(remaining=lease.standing.remaining + lease.left)

    def size(self, key: str) -> int:
        """Return how many hits to count for the present one: 1 for the first one in a window, and near the limit."""
        lease = self._leases.get(key)
        if lease is None or lease.standing.reset <= time.time():
            return 1
        return max(1, min(LEASE, lease.standing.remaining // FAR))

    def keep(self, key: str, counted: int, standing: Standing) -> Standing:
        """Keep what was counted for later, and return where the present hit, one of it, leaves the caller."""
        with self._lock:
            if len(self._leases) >= KEPT:
                self._leases.clear()
            lease = self._leases.get(key)
            # threads of one caller that found nothing left each counted for themselves
            unused = lease.left if lease is not None and lease.standing.reset > time.time() else 0
            self._leases[key] = _Lease(unused + counted - 1, standing)
        return standing._replace(remaining=standing.remaining + counted - 1)
