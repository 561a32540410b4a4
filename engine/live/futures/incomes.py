"""Which incomes of an exchange are to be booked: each once, without those that belong to one of our fills."""

from __future__ import annotations

import time
from collections.abc import Set
from datetime import datetime
from decimal import Decimal

from engine.live.futures.told import Income, Seen, fill_key
from utils.money import ZERO

BY_TRADES = frozenset({"REALIZED_PNL", "COMMISSION"})


class Incomes:
    """Remember what is booked, and since when fills are known that seem to be somebody else's.

    A fill that no order of ours has booked may be one that is not shown yet: only after the time that queries
    lag, while nothing of ours is uncertain, it is what somebody did in the exchange's app, or a liquidation.
    """

    def __init__(self, lag: float) -> None:
        self._lag = lag
        self._booked: set[str] = set()
        self._sighted: dict[str, float] = {}
        self.oldest: datetime | None = None
        """When the first of those that wait came, so that it is asked for until it is booked."""

    def forget(self) -> None:
        """Begin anew to wait for our own fills: something of ours moves."""
        self._sighted.clear()

    def due(self, seen: Seen, fills: Set[tuple[str, str]]) -> tuple[list[Income], dict[str, Decimal]]:
        """Return the incomes to book now, and by currency what others come to that may be explained yet.

        :param fills: symbol and id of the fills that are booked since the account came into memory.
        """
        now = time.monotonic()
        due: list[Income] = []
        waiting: dict[str, Decimal] = {}
        times: list[datetime] = []
        for income in seen.incomes:
            if income.id in seen.booked or income.id in self._booked:
                continue
            if income.kind in BY_TRADES and income.trade_id is not None:
                key = fill_key(income.symbol, income.trade_id)
                if key in seen.booked or (income.symbol, income.trade_id) in fills:
                    continue
                if now - self._sighted.setdefault(key, now) < self._lag:
                    waiting[income.currency] = waiting.get(income.currency, ZERO) + income.amount
                    times.append(income.at)
                    continue
            self._booked.add(income.id)
            due.append(income)
        if seen.incomes:
            self.oldest = min(times, default=None)
        return due, waiting
