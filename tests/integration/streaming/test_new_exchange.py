"""An exchange that was connected after the streamer had started: whoever asks for it gets it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from config import Settings
from tests.fake_engine import FakeEngine
from tests.integration.streaming.conftest import Dial
from tests.streamer_host import StreamerHost


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The streamer is told of no exchange; the engine has one."""
    return replace(settings, exchanges=())


def test_its_prices_and_candles_are_followed(dial: Dial, engine: FakeEngine, host: StreamerHost) -> None:
    assert set(host.call(host.streamer.status).feeds) == {"account events"}
    prices = dial("/api/stream/prices?symbols=BTC/USDT")
    while prices.event().data["price"] != "50000":
        pass  # what the engine had kept may come first
    candles = dial("/api/stream/candles?symbol=BTC-USDT&timeframe=1m")
    candles.events(2)
    engine.set_price("BTC/USDT", Decimal(51_000))
    assert prices.event().data["price"] == "51000"
    assert candles.event().data["close"] == "51000"
    assert set(host.call(host.streamer.status).feeds) == {"account events", "prices of demo"}


def test_an_unknown_one_is_refused(dial: Dial, host: StreamerHost) -> None:
    assert dial("/api/stream/prices?exchange=mtgox").status == 404
    assert set(host.call(host.streamer.status).feeds) == {"account events"}
