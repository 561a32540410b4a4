"""Hold SQL against itself and against OctoBot, as `python -m commands verify` does."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from models import Database
from services import verification
from utils.octobot_bridge import OctoBotBridge


def rows(database: Database, table: Any) -> list[Any]:
    """Return all rows of a table, oldest first."""
    with database.read() as connection:
        return list(connection.execute(select(table.__table__).order_by(*table.__table__.primary_key)))


def differences(database: Database, bridge: OctoBotBridge | None = None) -> list[str]:
    """Return every disagreement, in words; with `bridge` also between SQL and OctoBot's memory."""
    return [str(difference) for difference in verification.differences(database, bridge)]
