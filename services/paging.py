"""Lists in the order in which their rows were made, from where the page before ended: see `utils.pages`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, literal, tuple_

from models.base import UtcDateTime
from utils.pages import Cursor


def newest_first[*Row](query: Select[*Row], table: Any, cursor: Cursor | None) -> Select[*Row]:
    """Return the rows of `query` that follow `cursor`, the newest first; `table` has `created_at` and `id`."""
    if cursor is not None:
        query = query.where(tuple_(table.created_at, table.id) < _place(cursor))
    return query.order_by(table.created_at.desc(), table.id.desc())


def oldest_first[*Row](query: Select[*Row], table: Any, cursor: Cursor | None) -> Select[*Row]:
    """Return the rows of `query` that follow `cursor`, the oldest first; `table` has `created_at` and `id`."""
    if cursor is not None:
        query = query.where(tuple_(table.created_at, table.id) > _place(cursor))
    return query.order_by(table.created_at, table.id)


def _place(cursor: Cursor) -> Any:
    return tuple_(literal(cursor.created_at, UtcDateTime()), literal(cursor.id))
