"""A small tournament against the product, whose worker is killed; `python -m tests.cup` plays it with 200."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import Database
from tests.cup.cup import Plan, play
from tests.databases import Factory


@pytest.fixture
def database(new_database: Factory, tmp_path: Path) -> Iterator[Database]:
    (tmp_path / "var").mkdir(mode=0o700)
    database = new_database(tmp_path / "var")
    yield database
    database.close()


@pytest.mark.once
@pytest.mark.timeout(300)
def test_a_tournament_is_what_its_trades_say(database: Database, tmp_path: Path) -> None:
    played = play(Plan(participants=5, seconds=1, kills=2, orders=25), database, tmp_path)
    assert played.faults(database) == []
    assert len(played.rankings) == 5
    assert played.orders > 20
