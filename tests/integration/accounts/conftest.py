"""Accounts over HTTP, in front of the real engine, at prices that stand still."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import Settings
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.integration.accounts.opened import Send
from tests.manual_market import ManualMarket
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture
def bridge(host: EngineHost, market: ManualMarket, engine_bridge: OctoBotBridge) -> OctoBotBridge:
    market.set_price("BTC/USDT", Decimal(50_000))
    host.tick()
    return engine_bridge


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, max_accounts=4)


@pytest.fixture
def send(client: FlaskClient, user: SignedIn) -> Send:
    """Call a path below /api/accounts as the user."""

    def call(
        path: str = "", method: str = "POST", *, key: str | None = None, caller: SignedIn = user, **body: Any
    ) -> TestResponse:
        headers = {**caller.headers, **({"Idempotency-Key": key} if key else {})}
        sent = None if method in {"GET", "DELETE"} else body
        return client.open(f"/api/accounts{path}", method=method, headers=headers, json=sent)

    return call
