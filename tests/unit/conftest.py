"""What is here never sees the application's tables, so it is not run once more on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database without a table: a test that needs one belongs to `tests/integration`."""
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    yield empty
    empty.close()
