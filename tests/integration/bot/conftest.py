from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import utils.part
from models import Database
from tests.integration.bot.stage import Stage


@pytest.fixture
def stage(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(utils.part, "RESTART_DELAYS", (0.0,))
    stage = Stage(database, tmp_path)
    yield stage
    stage.end()
    assert not any(part.is_running for part in stage.made)
