from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import Settings
from models import Database
from services import WorkerServices, build_for_worker
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.integration.tournaments.stage import BTC, ETH, PERPETUAL, Stage, present
from tests.manual_market import ManualMarket
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture
def bridge(engine_bridge: OctoBotBridge) -> OctoBotBridge:
    return engine_bridge


@pytest.fixture
def worker_services(settings: Settings) -> Iterator[WorkerServices]:
    built = build_for_worker(settings)
    yield built
    built.close()


@pytest.fixture
def stage(
    app: Flask,
    client: FlaskClient,
    database: Database,
    worker_services: WorkerServices,
    host: EngineHost,
    market: ManualMarket,
) -> Iterator[Stage]:
    with present():
        stage = Stage(app, client, database, worker_services, host, market)
        stage.price(BTC, 50_000)
        stage.price(PERPETUAL, 50_000)
        stage.price(ETH, 2_500)
        yield stage


@pytest.fixture
def ann(stage: Stage) -> SignedIn:
    return stage.user()


@pytest.fixture
def ben(stage: Stage) -> SignedIn:
    return stage.user()
