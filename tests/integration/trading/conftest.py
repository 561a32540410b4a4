from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories import SignedIn
from tests.fake_engine import FakeEngine
from utils.octobot_bridge import OctoBotBridge

Post = Callable[..., TestResponse]


@pytest.fixture
def bridge(engine: FakeEngine) -> OctoBotBridge:
    return OctoBotBridge(engine)


@pytest.fixture
def place(client: FlaskClient, user: SignedIn) -> Post:
    """Post an order: a limit buy of 0.1 BTC at 40,000 unless told else; None leaves a member out."""

    def post(path: str = "/api/trading/orders", headers: dict[str, str] | None = None, **body: Any) -> TestResponse:
        full = {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "amount": "0.1", "price": "40000", **body}
        sent = {name: value for name, value in full.items() if value is not None}
        return client.post(path, json=sent, headers={**user.headers, **(headers or {})})

    return post
