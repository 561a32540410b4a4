"""The shortcuts that tests take: what they leave out the product does, and what they promise to save is saved."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import literal, select

from models import Database
from tests import shortcuts
from utils.ids import new_id

ROOT = Path(__file__).resolve().parents[2]
FULL = 2


def test_the_product_waits_for_the_disk_and_tests_do_not(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "product.db")) as connection:
        shortcuts.prepare_sqlite(connection, None)
        assert connection.execute("PRAGMA synchronous").fetchone() == (FULL,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database = Database(f"sqlite:///{tmp_path / 'of_a_test.db'}")
    with database.read() as connection_:
        assert connection_.exec_driver_sql("PRAGMA synchronous").scalar_one() == 0
    database.close()


def test_a_statement_is_compiled_once_for_all_databases(tmp_path: Path) -> None:
    never_asked_before = select(literal(1).label(f"n_{new_id()}"))
    found: list[str] = []
    for name in ("one.db", "two.db"):
        database = Database(f"sqlite:///{tmp_path / name}")
        with database.read() as connection:
            context: Any = connection.execute(never_asked_before).context
            found.append(context.cache_hit.name)
        database.close()
    assert found == ["CACHE_MISS", "CACHE_HIT"]


def test_what_is_not_run_again_is_there() -> None:
    said = subprocess.run(
        ["make", "--dry-run", "test", "TEST_POSTGRESQL_URL=somewhere"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    paths = re.findall(r"--ignore=(\S+)", said)
    assert "tests/unit" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []
