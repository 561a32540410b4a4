"""The real engine behind the app, with a market that moves when a test says so; or one in memory."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from config import Settings
from tests.engine_host import EngineHost
from tests.fake_engine import FakeEngine
from tests.manual_market import ManualMarket
from utils.octobot_bridge import OctoBotBridge, UnixTransport


@pytest.fixture
def market() -> ManualMarket:
    return ManualMarket()


@pytest.fixture
def host(settings: Settings, market: ManualMarket) -> Iterator[EngineHost]:
    host = EngineHost(settings, market)
    host.start()
    yield host
    host.close()


@pytest.fixture
def engine_bridge(host: EngineHost) -> OctoBotBridge:
    return OctoBotBridge(UnixTransport(host.settings.engine_socket), timeout=30)


@pytest.fixture
def steady(market: ManualMarket, host: EngineHost) -> None:
    """Let BTC/USDT stand at 50,000."""
    market.set_price("BTC/USDT", Decimal(50_000))
    host.tick()


@pytest.fixture
def engine() -> FakeEngine:
    """An engine in memory; BTC/USDT stands at 50,000."""
    engine = FakeEngine()
    engine.set_price("BTC/USDT", Decimal(50_000))
    return engine
