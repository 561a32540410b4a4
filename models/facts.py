"""Facts of an installation: chosen once, by whichever process asks first."""

from __future__ import annotations

from sqlalchemy import select

from models.database import Database
from models.events import Installation


def fact(database: Database, key: str, default: str) -> str:
    """Return a fact of the installation, storing `default` when it is not known yet."""
    with database.write() as session:
        connection = session.connection()
        connection.execute(database.insert(Installation).on_conflict_do_nothing(), {"key": key, "value": default})
        return connection.execute(select(Installation.value).where(Installation.key == key)).scalar_one()
