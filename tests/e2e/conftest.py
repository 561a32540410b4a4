"""The product, started once for tests that only use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Factory
from tests.e2e.running import Server
from tests.e2e.streams import end_readers

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests on one worker, where none disturbs another."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """End what still reads before fixtures close the clients that it reads with."""
    end_readers()


@pytest.fixture(scope="module")
def product_settings() -> dict[str, str]:
    """Settings of the product besides the defaults; a module may have others."""
    return {}


@pytest.fixture(scope="module")
def product_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the product has its files."""
    directory = tmp_path_factory.mktemp("product")
    (directory / "var").mkdir(mode=0o700)
    return directory


@pytest.fixture(scope="module")
def product_url(new_database: Factory, product_directory: Path) -> str:
    """Where the product has its database."""
    database = new_database(product_directory / "var")
    url = database.engine.url.render_as_string(hide_password=False)
    database.close()
    return url


@pytest.fixture(scope="module")
def product(product_directory: Path, product_url: str, product_settings: dict[str, str]) -> Iterator[Server]:
    """`python app.py` on a free port, with the demo exchange."""
    settings = {"DEMO_TICK_SECONDS": "0.2", **product_settings}
    server = Server(product_directory, command=None, DATABASE_URL=product_url, **settings)
    try:
        yield server.wait_ready()
    finally:
        server.end()
