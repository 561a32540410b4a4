from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from config import Settings
from models import Database
from services import backups
from tests import databases
from tests.databases import Factory
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.kucoin import LoopbackKucoin
from tests.exchanges.perpetual import default_perpetuals
from tests.exchanges.server import Loopback
from tests.integration.live.futures_house import FuturesHouse
from tests.integration.live.house import House
from tests.settings import settings_for

EXCHANGES = (LoopbackBinance, LoopbackKucoin)
NAMES = ("binance", "kucoin")
Restore = Callable[[backups.Backup], None]


@pytest.fixture(params=EXCHANGES, ids=NAMES)
def exchange(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    with request.param() as exchange:
        yield exchange


@pytest.fixture(scope="module", params=EXCHANGES, ids=NAMES)
def shared(
    request: pytest.FixtureRequest, new_database: Factory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("live")
    database = new_database(directory)
    with request.param() as exchange:
        house = House(settings_for(directory, database), database, exchange)
        house.until(house.is_open)
        yield house
        house.close()
    database.close()


@pytest.fixture
def opened(shared: House) -> Iterator[House]:
    """A house that many tests share: its account is open, and nothing is under way."""
    yield shared
    shared.tidy()


@pytest.fixture
def house(settings: Settings, database: Database, exchange: Loopback) -> Iterator[House]:
    house = House(settings, database, exchange)
    house.until(house.is_open)
    yield house
    house.close()


@pytest.fixture
def futures(settings: Settings, database: Database) -> Iterator[FuturesHouse]:
    with LoopbackBinance(perpetuals=default_perpetuals()) as exchange:
        house = FuturesHouse(settings, database, exchange)
        house.until(house.is_open)
        yield house
        house.close()


@pytest.fixture
def restore(house: House, settings: Settings) -> Iterator[Restore]:
    """Put a backup in the place of the database of an engine that was stopped."""
    replaced: list[str | None] = []

    def do(made: backups.Backup) -> None:
        sqlite = house.database.is_sqlite
        house.database.close()
        done = backups.restore(settings, made.file)
        replaced.append(None if sqlite else done.replaced)
        house.database = Database(settings.database_url)

    yield do
    for name in filter(None, replaced):
        databases.run_on(house.database.engine.url.set(database="postgres"), f"DROP DATABASE {name} WITH (FORCE)")
