"""Killed at random while it trades, the product loses nothing and doubles nothing; `make chaos` is the long run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import Database
from tests.chaos.storm import Plan, blow
from tests.databases import Factory


@pytest.fixture
def database(new_database: Factory, tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "var").mkdir(mode=0o700)
    database = new_database(tmp_path / "var")
    yield database
    database.close()


@pytest.mark.once
@pytest.mark.timeout(900)
def test_no_order_is_lost_or_doubled_when_parts_are_killed(database: Database, tmp_path: Path) -> None:
    result = blow(Plan(seed=1, placements=300, kills=6, clients=6), database, tmp_path)
    assert result.orders >= 300
    assert result.live_orders > 20
    assert sum(result.killed.values()) >= 6
    assert result.repeats > 20
    assert result.findings.is_clean, result.findings.words


@pytest.mark.timeout(900)
def test_a_storm_finds_a_key_that_is_forgotten(database: Database, tmp_path: Path) -> None:
    plan = Plan(seed=1, placements=300, kills=2, clients=6, live=False, impatient=0.6, mutant="release_the_key")
    assert blow(plan, database, tmp_path).findings.duplicated > 0
