from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.contract.engine import EngineExchange
from tests.databases import Factory
from tests.integration.futures.holder import SYMBOL, Holder
from tests.settings import settings_for


@pytest.fixture(scope="module")
def exchange(new_database: Factory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineExchange]:
    """The real engine, its market at the test's command."""
    directory = tmp_path_factory.mktemp("engine")
    database = new_database(directory)
    engine = EngineExchange(settings_for(directory, database), database)
    yield engine
    engine.close()
    database.close()


@pytest.fixture
def holder(exchange: EngineExchange) -> Holder:
    """A fresh futures account with 10,000 USDT while BTC/USDT:USDT stands at 50,000."""
    exchange.set_price(SYMBOL, Decimal(50_000))
    user, account = exchange.new_account("futures")
    holder = Holder(exchange, user, account)
    holder.leverage(10)
    return holder
