"""Strategies over HTTP, in front of the real engine, in a market that moves when a test says so."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from models import Database
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.integration.strategies.owner import START, Owner
from tests.manual_market import ManualMarket
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture
def bridge(host: EngineHost, market: ManualMarket, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    market.set_price("BTC/USDT", START)
    host.tick()
    return engine_bridge


@pytest.fixture
def ada(
    app: Flask, client: FlaskClient, user: SignedIn, host: EngineHost, market: ManualMarket, database: Database
) -> Owner:
    """A user who can see everything, and move the market."""
    return Owner(client, user, host, market, database)
