"""Exact sums in SQL: PostgreSQL adds decimals itself, SQLite is taught to."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from models.base import Money
from utils.money import plain

SQLITE_NAME = "exact_sum"
_EXACT = Context(prec=80)


class exact_sum(GenericFunction[Decimal]):  # noqa: N801 - a function of SQL
    """The sum of a `Money` column, to the last digit; None of no rows."""

    type = Money()
    inherit_cache = True


@compiles(exact_sum, "postgresql")
def _on_postgresql(element: exact_sum, compiler: Any, **options: Any) -> str:
    return f"sum{compiler.function_argspec(element, **options)}"


class ExactSum:
    """The aggregate as SQLite carries it out."""

    def __init__(self) -> None:
        self._total: Decimal | None = None

    def step(self, value: str | None) -> None:
        """Add one value."""
        if value is not None:
            self._total = _EXACT.add(self._total or Decimal(), Decimal(value))

    def finalize(self) -> str | None:
        """Return the sum."""
        return None if self._total is None else plain(self._total)
