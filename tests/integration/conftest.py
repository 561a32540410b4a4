"""The real engine behind the app, with a market that moves when a test says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from config import Settings
from tests.engine_host import EngineHost
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
