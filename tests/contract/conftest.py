from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.engine import EngineExchange
from tests.contract.exchange import Exchange, FakeExchange, Trader
from tests.databases import Factory
from tests.settings import settings_for


@pytest.fixture(scope="session", params=["fake", "engine"])
def exchange(
    request: pytest.FixtureRequest, new_database: Factory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exchange]:
    """Everything that claims to be the port; each one passes every test of this folder."""
    if request.param == "fake":
        fake = FakeExchange()
        yield fake
        fake.close()
        return
    directory = tmp_path_factory.mktemp("engine")
    database = new_database(directory)
    engine = EngineExchange(settings_for(directory, database), database)
    yield engine
    engine.close()
    database.close()


@pytest.fixture
def trader(exchange: Exchange) -> Trader:
    """A fresh account while BTC/USDT stands at 50,000."""
    user, account = exchange.new_account()
    trader = Trader(exchange, user, account)
    trader.set_price(50_000)
    return trader


@pytest.fixture
def holder(trader: Trader) -> Trader:
    """A trader who has bought 0.1 BTC at 50,000."""
    trader.place("buy", "market", amount="0.1")
    return trader
