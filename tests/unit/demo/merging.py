"""Candles put together by hand, in Decimals, to hold the arrays of the demo exchange against."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from utils.wire import Candle


class Bar(NamedTuple):
    """The figures of a candle."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def bar(candle: Candle) -> Bar:
    return Bar(candle.open, candle.high, candle.low, candle.close, candle.volume)


def merged(candles: Sequence[Candle]) -> Bar:
    return Bar(
        candles[0].open,
        max(candle.high for candle in candles),
        min(candle.low for candle in candles),
        candles[-1].close,
        sum((candle.volume for candle in candles), Decimal(0)),
    )


def of_prices(prices: Sequence[Decimal], volume: Decimal) -> Bar:
    return Bar(prices[0], max(prices), min(prices), prices[-1], volume)


def follows(candles: Sequence[Candle], seconds: int) -> bool:
    """Tell whether the candles neither overlap nor leave a gap."""
    start = candles[0].timestamp
    return [candle.timestamp for candle in candles] == [start + i * seconds * 1000 for i in range(len(candles))]
