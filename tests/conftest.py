"""Fixtures of every test: a real migrated database, the app on it, and users.

Override `bridge` for another engine, or `settings` (with `dataclasses.replace`) for another installation.
`TEST_DATABASE_URL` runs the suite on PostgreSQL instead of SQLite.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import settings as hypothesis_settings

from app import create_app
from config import Settings
from models import Database
from services.leases import LIVING, Leases
from services.users import passwords
from tests import databases, shortcuts
from tests.databases import Factory
from tests.factories import SignedIn, sign_in
from tests.openapi_client import ValidatingClient
from tests.settings import ENCRYPTION_KEYS
from tests.streamer_host import streamer_that_is_ready
from utils.octobot_bridge import OctoBotBridge, UnixTransport

# how long an example takes says more about the machine than about what is tested
hypothesis_settings.register_profile("any machine", deadline=None)
hypothesis_settings.load_profile("any machine")

# every answer in the suite is held against the OpenAPI document
Flask.test_client_class = ValidatingClient

shortcuts.take()

REAL_COST = passwords.TIME_COST, passwords.MEMORY_KIB
SECRET = "3f9c1e7ab2d84065" * 4


def pytest_collection_finish() -> None:
    shortcuts.overlook_what_is_imported()


@pytest.fixture(scope="session", autouse=True)
def quick_hashes() -> Iterator[None]:
    """Hash passwords at a thousandth of the cost: nearly every test signs somebody in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "TIME_COST", 1)
        patch.setattr(passwords, "MEMORY_KIB", 8)
        yield


@pytest.fixture
def real_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords as the product does."""
    monkeypatch.setattr(passwords, "TIME_COST", REAL_COST[0])
    monkeypatch.setattr(passwords, "MEMORY_KIB", REAL_COST[1])


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    url = os.environ.get("TEST_DATABASE_URL")
    with databases.postgresql(url) if url else databases.sqlite(tmp_path_factory.mktemp("template")) as make:
        yield make


@pytest.fixture
def database(new_database: Factory, tmp_path: Path) -> Iterator[Database]:
    made = new_database(tmp_path)
    yield made
    made.close()


@pytest.fixture
def settings(database: Database, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database_url=database.engine.url.render_as_string(hide_password=False),
        secret_key=SECRET,
        encryption_keys=ENCRYPTION_KEYS,
        rate_limit_enabled=False,
    )


@pytest.fixture
def bridge(tmp_path: Path) -> OctoBotBridge:
    """Lead to no engine at all."""
    return OctoBotBridge(UnixTransport(tmp_path / "no-engine.sock"))


@pytest.fixture
def app(settings: Settings, bridge: OctoBotBridge, database: Database) -> Flask:
    return create_app(settings, bridge=bridge, database=database)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def user(app: Flask, database: Database) -> SignedIn:
    return sign_in(app, database)


@pytest.fixture
def other(app: Flask, database: Database) -> SignedIn:
    return sign_in(app, database)


@pytest.fixture
def admin(app: Flask, database: Database) -> SignedIn:
    return sign_in(app, database, role="admin")


@pytest.fixture
def streamer(settings: Settings) -> Iterator[None]:
    """A streamer that says it is ready, and takes nobody."""
    with streamer_that_is_ready(settings.streamer_socket):
        yield


@pytest.fixture
def worker(database: Database) -> None:
    """A worker that says it lives."""
    Leases(database).take(f"{LIVING}tests", "tests", timedelta(hours=1))
