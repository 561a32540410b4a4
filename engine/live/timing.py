"""The waits of live trading, in seconds: what may be concluded from silence, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from engine.exchanges.client import RECEIVE_WINDOW_SECONDS
from utils import clock, wire

UNBOUNDED_WINDOW_SECONDS = 20.0
"""Taken for the receive window of exchanges that are not known to refuse what arrives late."""
BOUNDED = frozenset({"binance", "kucoin"})


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long things take at most, and how often is asked.

    `send`: from the committed intent to the last byte of an answer; `window`: until the exchange refuses a request for
    being late (None: its own); `lag`: until queries and balances show what
    happened; `poll`: between two looks at an account with open orders; `idle`: at another one; `hold`: at one
    that has positions and no orders; `again`: between two looks at which an order is not found.
    """

    send: float = 3.5
    window: float | None = None
    query: float = 5.0
    lag: float = 10.0
    poll: float = 2.0
    idle: float = 60.0
    hold: float = 10.0
    again: float = 1.0
    breaker_failures: int = 5
    breaker_open: float = 10.0

    def send_by(self, order: wire.Order) -> float:
        """Return how long an order whose intent is committed may still be sent."""
        begun = order.sent_at or order.created_at
        return self.send - (clock.now() - begun).total_seconds()

    def is_past(self, order: wire.Order) -> bool:
        """Tell whether an order that is not found now was never taken, nor can be taken any more."""
        begun = order.sent_at or order.created_at
        window = receive_window(order.exchange) if self.window is None else self.window
        return clock.now() > begun + timedelta(seconds=self.send + window + self.lag)


def receive_window(exchange: str) -> float:
    """Return how late a request may reach `exchange` and still be taken."""
    return RECEIVE_WINDOW_SECONDS if exchange in BOUNDED else UNBOUNDED_WINDOW_SECONDS
