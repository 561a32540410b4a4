from __future__ import annotations

from collections.abc import Iterator

import pytest

from config import Settings
from models import Database
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.kucoin import LoopbackKucoin
from tests.exchanges.server import Loopback
from tests.integration.live.house import House


@pytest.fixture(params=[LoopbackBinance, LoopbackKucoin], ids=["binance", "kucoin"])
def exchange(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    with request.param() as exchange:
        yield exchange


@pytest.fixture
def house(settings: Settings, database: Database, exchange: Loopback) -> Iterator[House]:
    house = House(settings, database, exchange)
    yield house
    house.close()
