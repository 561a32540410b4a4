"""What every test would pay for and none looks at, paid once or not at all."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from models import database

STATEMENTS = 5000
"""Compiled ones that are kept."""

_compile_builder = Rule._compile_builder
prepare_sqlite = database._prepare_sqlite
"""As the product does it."""

_init_engine = Engine.__init__
_compiled: Any = LRUCache(STATEMENTS)


def take() -> None:
    """Take all of them, for this process."""
    Rule._compile_builder = _compile_later  # type: ignore[method-assign,assignment]
    database._prepare_sqlite = _prepare_without_sync
    Engine.__init__ = _init_with_shared_statements  # type: ignore[method-assign,assignment]
    for dialect in (PGDialect_psycopg, SQLiteDialect_pysqlite):
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]


def overlook_what_is_imported() -> None:
    """Let the garbage collector pass over what there is now: what one app is made of would have it look at all."""
    gc.collect()
    gc.freeze()


def _compile_later(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    """Compile what builds a rule's URLs when one is built: most of what an app costs, and every test has its own."""

    def build(self: Rule, **values: Any) -> tuple[str, str]:
        return _compile_builder(rule, append_unknown)(self, **values)

    return build


def _prepare_without_sync(connection: Any, _record: Any) -> None:
    """Let SQLite not wait for the disk: only a loss of power would tell, and PostgreSQL in CI does not wait either."""
    prepare_sqlite(connection, _record)
    connection.execute("PRAGMA synchronous=OFF")


def _init_with_shared_statements(engine: Engine, *args: Any, **options: Any) -> None:
    """Compile a statement once for all tests: compiled ones are kept by dialect, and each test has its own."""
    _init_engine(engine, *args, **options)
    engine._compiled_cache = _compiled
