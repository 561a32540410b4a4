"""Instruments, prices and candles, as both sides of the bridge speak of them; the fields are the API's fields."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from utils.wire.base import Message

TIMEFRAMES: dict[str, int] = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14400,
    "6h": 21600,
    "12h": 43200,
    "1d": 86400,
}
"""Length of each time frame in seconds."""


class Instrument(Message, frozen=True, kw_only=True):
    """A tradable market and its rules; fees are fractions (`0.001` = 0.1 %)."""

    symbol: str
    exchange: str
    type: Literal["spot", "swap", "option"]
    base: str
    quote: str
    price_tick: Decimal
    amount_step: Decimal
    min_amount: Decimal
    max_amount: Decimal | None
    min_cost: Decimal
    maker_fee: Decimal
    taker_fee: Decimal


class Ticker(Message, frozen=True, kw_only=True):
    """The last 24 hours of a market; `volume` in base units, `stale` when the feed is mute."""

    symbol: str
    exchange: str
    last: Decimal
    bid: Decimal
    ask: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    change_percent: Decimal
    as_of: datetime
    stale: bool


class Candle(Message, frozen=True, kw_only=True):
    """Open, high, low, close and base volume of one time frame; `timestamp` is its opening, epoch milliseconds."""

    timestamp: int
    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool


class Price(Message, frozen=True, kw_only=True):
    """The price event of the stream."""

    symbol: str
    exchange: str
    price: Decimal
    bid: Decimal
    ask: Decimal
    as_of: datetime


class StreamEvent(Message, frozen=True, kw_only=True):
    """One event of a subscription: `id` grows, also over restarts; `reset` means events were missed."""

    id: int
    event: Literal["price", "reset"]
    payload: Price | None = None


class FeedStatus(Message, frozen=True, kw_only=True):
    """The state of one exchange's market feed; `tick_age` in seconds, None before the first tick."""

    exchange: str
    connected: bool
    symbols: int
    tick_age: float | None
