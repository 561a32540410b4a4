"""A migrated, empty database for each test: a copied file, or one PostgreSQL whose tables are emptied."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

import migrations
from models import Base, Database

Factory = Callable[[Path], Database]
"""Make the database of a test that has the given directory."""


@contextmanager
def sqlite(workshop: Path) -> Iterator[Factory]:
    """Migrate one file in `workshop` and copy it for each test."""
    template = workshop / "template.db"
    first = Database(f"sqlite:///{template}")
    migrations.upgrade(first)
    # into the file with what the write-ahead log still holds
    with first.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    first.close()

    def make(directory: Path) -> Database:
        copy = directory / "trading.db"
        shutil.copyfile(template, copy)
        return Database(f"sqlite:///{copy}")

    yield make


@contextmanager
def postgresql(url: str) -> Iterator[Factory]:
    """Migrate the database at `url` and empty its tables for each test."""
    migrated = Database(url)
    migrations.upgrade(migrated)
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)

    def make(_directory: Path) -> Database:
        with migrated.write() as session:
            session.execute(text(f"TRUNCATE {tables} CASCADE"))
        return Database(url)

    yield make
    migrated.close()
