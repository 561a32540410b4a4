from __future__ import annotations

import pytest

from tests.fake_engine import FakeEngine
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture
def bridge() -> OctoBotBridge:
    """Lead to an engine that follows no tournament."""
    return OctoBotBridge(FakeEngine())
