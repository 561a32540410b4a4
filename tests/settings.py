"""The settings of an installation under test."""

from __future__ import annotations

from pathlib import Path

from config import Settings
from models import Database

SECRET = "3f9c1e7ab2d84065" * 4


def settings_for(directory: Path, database: Database) -> Settings:
    """Return settings that keep everything in `directory` and `database`."""
    return Settings(
        data_dir=directory,
        database_url=database.engine.url.render_as_string(hide_password=False),
        secret_key=SECRET,
        rate_limit_enabled=False,
    )
