"""Inserts of many rows that are compiled once.

SQLAlchemy compiles a statement once, too, but looks it up and prepares each parameter of each row anew. For a fill,
which has 140 of them in six tables, that takes longer than SQLite does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect

Rows = Sequence[dict[str, Any]]
_Column = tuple[str, Callable[[Any], Any] | None]


class PreparedInsert:
    """An insert into one table, whatever it does on a conflict; it returns nothing."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        self._statement = statement
        kind: Any = type(dialect)
        self._dialect = dialect if dialect.positional else kind(paramstyle="format")
        self._compiled: dict[tuple[str, ...], tuple[str, list[_Column]]] = {}

    def execute(self, connection: Connection, rows: Rows) -> None:
        """Insert `rows`, which have the same columns in the same order: every one that has no default in SQL."""
        names = tuple(rows[0])
        if names not in self._compiled:
            self._compiled[names] = self._compile(names)
        sql, columns = self._compiled[names]
        connection.exec_driver_sql(
            sql, [tuple([row[name] if write is None else write(row[name]) for name, write in columns]) for row in rows]
        )

    def _compile(self, names: tuple[str, ...]) -> tuple[str, list[_Column]]:
        compiled = self._statement.compile(dialect=self._dialect, column_keys=list(names))
        columns = self._statement.table.columns
        return str(compiled), [
            (name, columns[name].type.dialect_impl(self._dialect).bind_processor(self._dialect))
            for name in compiled.positiontup
        ]
