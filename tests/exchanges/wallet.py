"""What one account of a loopback exchange holds, now and a moment ago."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

KEPT_SECONDS = 120
Holdings = dict[str, tuple[Decimal, Decimal]]
"""Currency → free and locked."""


class Wallet:
    """Free and locked amounts by currency; never negative."""

    def __init__(self) -> None:
        self._held: Holdings = {}
        self._past: deque[tuple[float, Holdings]] = deque([(float("-inf"), {})])

    def free(self, currency: str) -> Decimal:
        return self._held.get(currency, (Decimal(0), Decimal(0)))[0]

    def move(self, currency: str, *, free: Decimal = Decimal(0), locked: Decimal = Decimal(0)) -> None:
        """Add to what is free and what is locked; `ValueError` when one of them would become negative."""
        before = self._held.get(currency, (Decimal(0), Decimal(0)))
        after = (before[0] + free, before[1] + locked)
        if min(after) < 0:
            raise ValueError(f"{currency} would become {after}")
        self._held[currency] = after

    def note(self, moment: float) -> None:
        """Remember that this is what the account holds from `moment` (monotonic s) on."""
        self._past.append((moment, dict(self._held)))
        while len(self._past) > 1 and self._past[1][0] < moment - KEPT_SECONDS:
            self._past.popleft()

    def at(self, moment: float) -> Holdings:
        """Return what the account held at `moment` (monotonic s)."""
        return next((held for since, held in reversed(self._past) if since <= moment), {})
