"""Leases: what one process of all has for itself until a moment, and says so again and again."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, exists, or_, select

from models import Database, Lease
from utils import clock

LIVING = "worker:"
"""Begins the names of the leases that say which workers live."""


class Leases:
    """Take and give back leases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, holder: str, length: timedelta) -> bool:
        """Have `name` for another `length`; False while it is somebody else's."""
        moment = clock.now()
        values = {"holder": holder, "until": moment + length}
        statement = self._database.insert(Lease).values(name=name, **values)
        free = or_(Lease.holder == holder, Lease.until < moment)
        statement = statement.on_conflict_do_update(index_elements=["name"], set_=values, where=free)
        with self._database.writing() as connection:
            return connection.execute(statement.returning(Lease.name)).first() is not None

    def give_back(self, holder: str) -> None:
        """Give back all that `holder` has, and clear away what dead workers have left."""
        old = Lease.until < clock.now() - timedelta(days=1)
        with self._database.writing() as connection:
            connection.execute(delete(Lease).where(or_(Lease.holder == holder, old)))

    def is_a_worker_alive(self) -> bool:
        """Tell whether any worker lives."""
        living = exists().where(Lease.name.startswith(LIVING), Lease.until >= clock.now())
        with self._database.read() as connection:
            return bool(connection.execute(select(living)).scalar())
