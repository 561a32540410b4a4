"""Strategies go by the recording's candles: one decision for each, at whatever speed it is played."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.demo.replay import ReplayMarket
from engine.markets.source import MarketSource
from tests.engine_host import EngineHost
from tests.integration.strategies.owner import Owner, eventually
from tests.unit.strategies.playground import recorded, write_recording
from utils.octobot_bridge import OctoBotBridge

HISTORY = 60
PLAYED = 40
HOUR = 3_600
CANDLES = recorded("BTC/USDT", "1h", 2 * HISTORY)


@pytest.fixture
def market(tmp_path: Path) -> MarketSource:
    return ReplayMarket(write_recording(tmp_path / "BTC_USDT-1h.csv", CANDLES), 1.0, 0.0)


@pytest.fixture
def bridge(host: EngineHost, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    play(host, 0)
    return engine_bridge


def play(host: EngineHost, candles: int) -> None:
    """Let the recording stand in the midst of the candle that follows the so many played ones."""
    host.engine.market._clock = lambda: (candles + 0.5) * HOUR
    host.tick()


def test_each_candle_is_decided_about_once(ada: Owner) -> None:
    settings: dict[str, Any] = {"timeframe": "1h", "every": 1, "order_value": "20"}
    ada.running("dca", strategy_class="dca", portfolio_name="BTC/USDT", settings=settings, funding="5000")
    settings = {"timeframe": "1h", "average": "sma", "fast": 3, "slow": 10}
    ada.running("cross", strategy_class="crossover", portfolio_name="BTC/USDT", settings=settings, funding="5000")
    eventually(lambda: len(ada.orders("dca")) == 1)
    eventually(ada.is_calm)  # the other one has decided too
    for played in range(1, PLAYED + 1):
        play(ada.host, played)
        play(ada.host, played)  # again within the candle
        eventually(lambda played=played: len(ada.orders("dca")) == played + 1)  # type: ignore[misc]
        eventually(ada.is_calm)
    bought = [order["client_order_id"] for order in ada.orders("dca")]
    first = CANDLES[HISTORY - 1].timestamp // 1000 // HOUR
    assert bought == [f"dca:buy:{first + number}" for number in range(PLAYED + 1)]
    closes = [float(candle.close) for candle in CANDLES]
    expected, holds = [], False
    for at in range(HISTORY - 1, HISTORY + PLAYED):
        above = sum(closes[at - 2 : at + 1]) / 3 > sum(closes[at - 9 : at + 1]) / 10
        if above != holds:
            holds = above
            expected.append(f"cross:{'buy' if above else 'sell'}:{CANDLES[at].timestamp // 1000}")
    eventually(lambda: [order["client_order_id"] for order in ada.orders("cross")] == expected)
    assert len(expected) > 3
    assert all(Decimal(order["filled"]) > 0 for order in ada.orders("cross"))
    assert not ada.differences()
