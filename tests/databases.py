"""A migrated, empty database of its own for each test: a copied file, or a copied PostgreSQL database."""

from __future__ import annotations

import itertools
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, make_url

import migrations
from models import Database

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
    """Migrate one database on the server of `url` and copy it for each test, always one test ahead.

    They are dropped at the end unless `TEST_POSTGRESQL_DISPOSABLE` says that the server goes away itself: each one
    costs a checkpoint.
    """
    server = make_url(url).set(drivername="postgresql+psycopg")
    engine = create_engine(server, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    prefix = f"trading_test_{os.getpid()}"
    numbers = itertools.count()
    made: list[str] = []

    def create(template: str | None) -> URL:
        name = f"{prefix}_{next(numbers)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        made.append(name)
        return server.set(database=name)

    def open_database(where: URL) -> Database:
        return Database(where.render_as_string(hide_password=False))

    template = create(None)
    first = open_database(template)
    migrations.upgrade(first)
    first.close()
    with ThreadPoolExecutor(1) as ahead:
        copies = deque([ahead.submit(create, template.database)])

        def make(_directory: Path) -> Database:
            copies.append(ahead.submit(create, template.database))
            return open_database(copies.popleft().result())

        yield make
    for name in [] if os.environ.get("TEST_POSTGRESQL_DISPOSABLE") else made:
        run_on(server, f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


def run_on(server: URL, statement: str) -> None:
    """Run a statement outside of any transaction."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
