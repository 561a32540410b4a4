"""Commits that fail on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from models import Database
from models.database import Transaction
from utils.errors import StorageUnavailable

Kind = Literal["away", "constraint", "after"]
"""Before anything is stored, by a constraint, or stored but not answered."""


class Failures:
    """Make the journal's next batches fail."""

    def __init__(self) -> None:
        self.left = 0
        self.kind: Kind = "away"
        self.but: Callable[[Any], bool] | None = None
        """Units for which this is true are stored."""

    def install(self, journal: Any) -> None:
        write, attempt = journal._write, journal._try

        def failing_write(connection: Any, units: Any) -> Any:
            events = write(connection, units)
            if self.kind != "after" and self._strike(units):
                if self.kind == "away":
                    raise StorageUnavailable("The database went away.")
                raise IntegrityError("", {}, Exception("a constraint"))
            return events

        def failing_try(units: Any) -> Any:
            outcome = attempt(units)
            if outcome is None and self.kind == "after" and self._strike(units):
                return StorageUnavailable("The answer was lost.")
            return outcome

        journal._write, journal._try = failing_write, failing_try

    def _strike(self, units: Any) -> bool:
        if self.but is not None and all(self.but(unit) for unit in units):
            return False
        struck = self.left > 0 and any(not unit.is_empty for unit in units)
        self.left -= struck
        return struck


class Vanishing:
    """A database server whose connection breaks after it has committed; it tells the outcomes it is given."""

    is_sqlite = False

    def __init__(self, database: Database, *outcomes: bool | None) -> None:
        self._database = database
        self.outcomes = list(outcomes)
        self.breaks = True

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self._database.writing() as connection:
            yield connection
        if self.breaks:
            raise StorageUnavailable("The answer was lost.")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def transaction(self, _connection: Any) -> Transaction:
        return Transaction(1, 1)

    def outcome(self, _transaction: Transaction) -> bool | None:
        """Return the next outcome; the last one stays."""
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
