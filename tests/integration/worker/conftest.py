from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from config import Settings
from services import WorkerServices, build_for_worker
from tests.fake_engine import FakeEngine
from tests.integration.worker.receiver import Receiver
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Let webhooks lead to loopback, where the tests listen."""
    return replace(settings, webhook_private_addresses=True)


@pytest.fixture
def bridge(engine: FakeEngine) -> OctoBotBridge:
    return OctoBotBridge(engine)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver().start()
    yield receiver
    receiver.close()


@pytest.fixture
def worker(settings: Settings) -> Iterator[WorkerServices]:
    """What a worker works with."""
    built = build_for_worker(settings)
    yield built
    built.close()
