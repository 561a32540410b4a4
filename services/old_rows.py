"""Deletion of old rows, a few at a time: on SQLite whoever trades waits for every transaction that writes."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import ColumnElement, delete, select, tuple_

from models import Database

BATCH = 500
"""Rows that are deleted in one transaction: a few milliseconds in which orders wait for their commit."""

PAUSE_SECONDS = 0.05


def delete_old(database: Database, table: Any, old: ColumnElement[bool]) -> int:
    """Delete the rows of a table that are `old`, in short transactions, and return how many."""
    key = list(table.__table__.primary_key)
    query = select(*key).where(old).limit(BATCH)
    count = 0
    while True:
        with database.read() as connection:
            found = [tuple(row) for row in connection.execute(query)]
        if not found:
            return count
        with database.writing() as connection:
            # once more whether they are old: they may have changed since they were looked at
            connection.execute(delete(table).where(tuple_(*key).in_(found), old))
        count += len(found)
        time.sleep(PAUSE_SECONDS)
