"""Who may read the log now: streams of it last longer than somebody is an admin."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from models import Database, User
from services.principals import LOG_READERS


class LogReaders:
    """Ask SQL for the roles of users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def among(self, user_ids: Collection[str]) -> set[str]:
        """Return those of some users who may read the log."""
        query = select(User.id).where(User.id.in_(user_ids), User.role.in_(LOG_READERS), User.is_active)
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())
