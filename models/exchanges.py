"""The exchanges an installation is connected to: those of its settings, plus changes made at run time."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from models.database import Database
from models.events import Installation

_PREFIX = "exchange."
_CONNECTED, _DISCONNECTED = "connected", "disconnected"


def connected(connection: Connection, configured: Iterable[str]) -> tuple[str, ...]:
    """Return the exchanges that are connected, where the settings name `configured`."""
    query = select(Installation.key, Installation.value).where(Installation.key.startswith(_PREFIX))
    changes = {row.key.removeprefix(_PREFIX): row.value for row in connection.execute(query.order_by(Installation.key))}
    names = dict.fromkeys((*configured, *changes))
    return tuple(name for name in names if changes.get(name, _CONNECTED) == _CONNECTED)


def remember(database: Database, exchange: str, *, is_connected: bool) -> None:
    """Store that an exchange was connected or disconnected. :raises StorageUnavailable: nothing is stored."""
    value = _CONNECTED if is_connected else _DISCONNECTED
    statement = database.insert(Installation).values(key=f"{_PREFIX}{exchange}", value=value)
    with database.write() as session:
        session.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))
