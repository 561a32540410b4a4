"""The recent mark prices, in memory that grows only with their changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal

from engine.markets.source import Quote

SECONDS = 120.0
"""So far back marks are known: a worker that starts anew is there again by then."""


class Past:
    """Remember what each of the latest polls replaced."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._polls: deque[tuple[float, dict[str, Decimal | None]]] = deque()

    def note(self, quotes: Iterable[Quote], before: Mapping[str, Quote], now: float) -> None:
        """Take in the `quotes` of a poll at `now`, Unix seconds, and what there was `before`."""
        replaced: dict[str, Decimal | None] = {}
        for quote in quotes:
            last = before.get(quote.symbol)
            if last is None or last.mark != quote.mark:
                replaced[quote.symbol] = None if last is None else last.mark
        self._polls.append((now, replaced))
        while len(self._polls) > 1 and self._polls[1][0] <= now - self._seconds:
            self._polls.popleft()

    def mark(self, symbol: str, at: float, present: Decimal, longest: float) -> Decimal | None:
        """Return the mark after the last poll at or before `at`, if that was at most `longest` seconds before.

        None when it was longer ago, is not known any more, or told nothing of the market.

        :param present: the mark after the latest poll.
        """
        mark: Decimal | None = present
        for polled, replaced in reversed(self._polls):
            if polled <= at:
                return mark if at - polled <= longest else None
            mark = replaced.get(symbol, mark)
        return None
