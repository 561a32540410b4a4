"""Separate what others did to a balance from changes that are only not shown yet, and from what our orders lock."""

from __future__ import annotations

import time
from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from engine.markets.market import Market
from engine.orders import kinds, orders
from utils import wire
from utils.money import ZERO

Held = dict[str, tuple[Decimal, Decimal]]
"""(total, locked) by currency, as an exchange tells it."""


class Differences:
    """Remember by how much the exchange and the books differ, and since when.

    A balance that differs may be ahead of a fill that is not shown yet, or behind one that is booked. Only a
    difference that stays the same for longer than queries and balances lag, while nothing of ours is uncertain and no
    fill is booked, is somebody else's doing.
    """

    def __init__(self, lag: float) -> None:
        self._lag = lag
        self._seen: dict[str, tuple[Decimal, float]] = {}

    @property
    def pending(self) -> bool:
        """Tell whether some difference is not old enough yet."""
        return bool(self._seen)

    def forget(self) -> None:
        """Begin anew: something of ours moves."""
        self._seen.clear()

    def settled(self, held: Held, booked: dict[str, Decimal]) -> dict[str, Decimal]:
        """Return the differences, by currency, that are somebody else's doing; each is told once."""
        now = time.monotonic()
        found = {}
        for currency in {*held, *booked}:
            difference = held.get(currency, (ZERO, ZERO))[0] - booked.get(currency, ZERO)
            seen = self._seen.get(currency)
            if not difference:
                self._seen.pop(currency, None)
            elif seen is None or seen[0] != difference:
                self._seen[currency] = (difference, now)
            elif now - seen[1] >= self._lag:
                del self._seen[currency]
                found[currency] = difference
        return found


def locks(open_orders: Iterable[wire.Order], marks: dict[str, Decimal], market: Market) -> dict[str, Decimal]:
    """Return what open orders take at the exchange, by currency; `marks` are the prices of those that have none."""
    locked: dict[str, Decimal] = {}
    for order in open_orders:
        if order.symbol in market.instruments and not kinds.is_held(order):
            rest = replace(order, amount=order.remaining)
            price = order.price or marks.get(order.id) or ZERO
            currency, needed = orders.needs(rest, price, market.instruments[order.symbol])
            locked[currency] = locked.get(currency, ZERO) + needed
    return locked
