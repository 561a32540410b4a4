"""The settings of an installation under test."""

from __future__ import annotations

from pathlib import Path

from config import Settings
from models import Database

SECRET = "3f9c1e7ab2d84065" * 4
ENCRYPTION_KEYS = "k1:9d3b0c61f2e7485a4c1f7be05d26a93800e4b7c2916fd85ae3720c4b91d6f85e"


def settings_for(directory: Path, database: Database) -> Settings:
    """Return settings that keep everything in `directory` and `database`."""
    return Settings(
        data_dir=directory,
        database_url=database.engine.url.render_as_string(hide_password=False),
        secret_key=SECRET,
        encryption_keys=ENCRYPTION_KEYS,
        rate_limit_enabled=False,
    )
