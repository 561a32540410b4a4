"""The names clients may use for symbols and time frames."""

from __future__ import annotations

import pytest

from services.market import symbol_of, timeframe_of
from utils.errors import Refused
from utils.wire import TIMEFRAMES


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTC/USDT", "BTC/USDT"),
        ("btc-usdt", "BTC/USDT"),
        (" BTC-USDT ", "BTC/USDT"),
        ("BTC/USDT:USDT-261225", "BTC/USDT:USDT-261225"),
    ],
)
def test_symbols(text: str, symbol: str) -> None:
    assert symbol_of(text) == symbol


@pytest.mark.parametrize(
    ("text", "timeframe"),
    [
        *((name, name) for name in TIMEFRAMES),
        ("5minute", "5m"),
        ("5Minutes", "5m"),
        ("15min", "15m"),
        ("minute", "1m"),
        ("1hour", "1h"),
        ("hour", "1h"),
        ("4H", "4h"),
        ("1day", "1d"),
        ("day", "1d"),
        ("1", "1m"),
        ("60", "1h"),
        ("240", "4h"),
        ("1440", "1d"),
        ("24h", "1d"),
    ],
)
def test_time_frames(text: str, timeframe: str) -> None:
    assert timeframe_of(text) == timeframe


@pytest.mark.parametrize("text", ["", "7m", "0", "s", "1x", "-5", "5 5", "\uff11m", "1m\x00", "99999999999", "h1"])
def test_unknown_time_frames_are_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        timeframe_of(text)
    assert caught.value.code == "unknown_timeframe"
