"""When "not found" means that an order never arrived."""

from __future__ import annotations

import time

from engine.live.timing import Timing
from utils import wire

SIGHTINGS = 2
"""How often an order must not be found, after the last moment at which it could have arrived and not be shown yet."""


class Absences:
    """Count how often the exchange did not know an order."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._counted: dict[str, tuple[int, float]] = {}

    def forget(self, order_id: str) -> None:
        """Begin anew: the order was found, or is over."""
        self._counted.pop(order_id, None)

    def is_certain(self, order: wire.Order) -> bool:
        """Note that `order` is not found now, and tell whether it is certain by now that it will never be."""
        if not self._timing.is_past(order):
            return False
        times, last = self._counted.get(order.id, (0, 0.0))
        now = time.monotonic()
        # what the exchange once knew is a riddle when it is gone: it gets more time to turn up
        if times and now - last < (self._timing.again if order.exchange_order_id is None else self._timing.lag):
            return False
        self._counted[order.id] = (times + 1, now)
        return times + 1 >= SIGHTINGS
