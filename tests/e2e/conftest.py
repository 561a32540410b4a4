"""The product, started once for tests that only use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Factory
from tests.e2e.running import Server

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep these tests on one worker, where none disturbs another."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(scope="module")
def product_settings() -> dict[str, str]:
    """Settings of the product besides the defaults; a module may have others."""
    return {}


@pytest.fixture(scope="module")
def product(
    new_database: Factory, tmp_path_factory: pytest.TempPathFactory, product_settings: dict[str, str]
) -> Iterator[Server]:
    """`python app.py` on a free port, with the demo exchange."""
    directory = tmp_path_factory.mktemp("product")
    (directory / "var").mkdir(mode=0o700)
    database = new_database(directory / "var")
    url = database.engine.url.render_as_string(hide_password=False)
    database.close()
    server = Server(directory, command=None, DATABASE_URL=url, DEMO_TICK_SECONDS="0.2", **product_settings)
    try:
        yield server.wait_ready(60)
    finally:
        server.end()
