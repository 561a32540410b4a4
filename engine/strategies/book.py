"""The stored orders of a strategy: all that are open, and the newest of each level."""

from __future__ import annotations

from collections.abc import Iterable

from engine.strategies.view import Own, own_order
from utils.wire import Order


class OrderBook:
    """Follow a strategy's orders by what they are for; an order counts once it is committed."""

    def __init__(self, orders: Iterable[Order]) -> None:
        self._open: dict[str, Own] = {}
        self._newest: dict[str, Own] = {}
        self.update(orders)

    def update(self, orders: Iterable[Order]) -> None:
        """Take note of what became of orders."""
        for order in orders:
            own = own_order(order)
            if own is None:
                continue
            newest = self._newest.get(own.level)
            if newest is not None and newest.order.id == order.id and not newest.is_open:
                continue  # what has ended stays ended, in whatever order that is heard
            if own.is_open:
                self._open[order.id] = own
            else:
                self._open.pop(order.id, None)
            if newest is None or newest.order.id <= order.id:  # ids sort by the time they were made
                self._newest[own.level] = own

    def find(self, level: str, generation: str) -> Own | None:
        """Return the order of a level and generation, if it is open or the newest of its level."""
        known = (*self._open.values(), *self._newest.values())
        return next((own for own in known if (own.level, own.generation) == (level, generation)), None)

    def orders(self) -> list[Own]:
        """Return them in the order in which they were made."""
        known = {own.order.id: own for own in (*self._open.values(), *self._newest.values())}
        return [known[order_id] for order_id in sorted(known)]
