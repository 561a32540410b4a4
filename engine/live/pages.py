"""How pages of orders are read from an exchange when all of a time are wanted."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """Orders of one market that are read at a time: those made from `start` to `stop` (ms), or the open ones (None)."""

    symbol: str
    start: int | None
    stop: int

    @property
    def length(self) -> int:
        """Return how many milliseconds it covers; the open orders are one page."""
        return 0 if self.start is None else self.stop - self.start

    def halves(self) -> list[Page]:
        """Return two pages for what was too much for one."""
        start = self.start or 0
        middle = (start + self.stop) // 2
        return [Page(self.symbol, start, middle), Page(self.symbol, middle, self.stop)]
