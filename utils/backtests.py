"""The result of a backtest: written by the process that plays it, read to make its report."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from utils.wire import Side


class PlayedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A fill, at the candles' time."""

    at: datetime
    order: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Decimal
    realized_pnl: Decimal | None


class Worth(msgspec.Struct, frozen=True, kw_only=True):
    """What everything was worth when a candle had closed, and what it would have been had all been held instead."""

    at: datetime
    value: Decimal
    held: Decimal


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a backtest: exactly the same for the same candles and settings."""

    currency: str
    candles: int
    trades: list[PlayedTrade]
    curve: list[Worth]
    holdings: dict[str, Decimal]
    log: list[str]
