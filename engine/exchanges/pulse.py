"""Signs of life of a polled exchange: one that answers without any change is mute, however good the connection is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

QUIET_FACTOR = 10
"""A single market may be quiet for so many times as long as the whole exchange."""
MANY_MARKETS = 10
"""So many markets do not all stand still at once, whatever the exchange's clock says."""


class Sign(NamedTuple):
    """What a poll showed of one market: the exchange's own time stamp (ms; None: it gives none), and the prices."""

    stamp: int | None
    prices: tuple[object, ...]


def sign_of(ticker: dict[str, Any]) -> Sign:
    """Return what ccxt's ticker shows."""
    shown = ("last", "bid", "ask", "high", "low", "baseVolume")
    return Sign(ticker.get("timestamp"), tuple(ticker.get(name) for name in shown))


class Pulse:
    """Tell how long ago each market last showed life, at the times (Unix seconds) that the polls are dated with.

    A sign of life is a change of price, offer or volume, or a newer time stamp: a market that nobody trades lives as
    long as its exchange vouches for the price. The feed is mute when no market showed life for `mute_seconds`, or when
    not one of many markets has moved in ten times as long, though their time stamps go on.
    """

    def __init__(self, mute_seconds: float) -> None:
        self._mute_seconds = mute_seconds
        self._signs: dict[str, Sign] = {}
        self._alive: dict[str, float] = {}
        self._moved_at: float | None = None

    def note(self, signs: Mapping[str, Sign], now: float) -> None:
        """Take in what a poll showed."""
        for symbol, sign in signs.items():
            before = self._signs.get(symbol)
            moved = before is None or sign.prices != before.prices
            if moved:
                self._moved_at = now
            if moved or before is None or (sign.stamp or 0) > (before.stamp or 0):
                self._alive[symbol] = now
        self._signs.update(signs)

    def alive_at(self, symbol: str) -> float | None:
        """Return when a market last showed life."""
        return self._alive.get(symbol)

    def ages(self, now: float) -> dict[str, float]:
        """Return the seconds since each market last showed life."""
        return {symbol: max(now - at, 0.0) for symbol, at in self._alive.items()}

    def price_age(self, now: float) -> float | None:
        """Return the seconds since any price moved."""
        return None if self._moved_at is None else max(now - self._moved_at, 0.0)

    def is_mute(self, now: float) -> bool:
        """Tell whether the exchange as a whole shows no life; not before it has shown any."""
        if self._moved_at is None:
            return False
        frozen = len(self._alive) >= MANY_MARKETS and now - self._moved_at > QUIET_FACTOR * self._mute_seconds
        return frozen or now - max(self._alive.values()) > self._mute_seconds

    def is_dead(self, symbol: str, now: float) -> bool:
        """Tell whether a market has shown no life for so long that its price is not to be believed."""
        at = self._alive.get(symbol)
        return at is None or now - at > QUIET_FACTOR * self._mute_seconds

    def dead(self, symbols: Iterable[str], now: float) -> list[str]:
        """Return those of `symbols` that are dead."""
        return [symbol for symbol in symbols if self.is_dead(symbol, now)]
