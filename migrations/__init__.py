"""Bring a database to the newest schema."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from models import Database

_LOCK = 0x7472616465  # "trade"; PostgreSQL advisory lock, so that two starters take turns


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(database: Database) -> None:
    """Apply every migration that is missing; safe against another process doing the same.

    :raises StorageUnavailable: when the database cannot be reached.
    """
    with database.write() as session:
        connection = session.connection()
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        if _revision(connection) == head():
            return
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@cache
def head() -> str | None:
    """Return the newest revision in the scripts."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def is_current(database: Database) -> bool:
    """Tell whether the database has the newest schema."""
    with database.read() as connection:
        return _revision(connection) == head()


def knows(database: Database) -> bool:
    """Tell whether the database has a schema from which `upgrade` finds its way."""
    with database.read() as connection:
        revision = _revision(connection)
    return revision in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
