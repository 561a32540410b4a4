"""The declarative base and the column types that keep money and time exact on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, Numeric, String
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

from utils.money import plain


class Money(TypeDecorator[Decimal]):
    """A `Decimal` without loss: `NUMERIC` on PostgreSQL, plain decimal text on SQLite."""

    impl = String(80)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of `dialect`."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Numeric(asdecimal=True))
        return dialect.type_descriptor(String(80))

    def bind_processor(self, dialect: Dialect) -> Callable[[Decimal | None], Any] | None:
        """Return what writes a value, in one call: a fill has dozens."""
        if dialect.name == "postgresql":
            return super().bind_processor(dialect)
        return lambda value: None if value is None else plain(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Decimal | None]:
        """Return what reads a value, in one call: a list of orders has thousands."""
        return lambda value: None if value is None else Decimal(value)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC `datetime` with microseconds; SQLite keeps it as text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """Return what writes a value, refusing naive times, in one call: a fill has dozens."""
        return _moment if dialect.name == "postgresql" else _text

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """Return what reads a value as aware UTC, in one call: a list of orders has thousands."""
        if dialect.name == "postgresql":
            return lambda value: None if value is None else value.astimezone(UTC)
        # fourteen times as fast as to put the zone in afterwards
        return lambda value: None if value is None else datetime.fromisoformat(value + "Z")


def _moment(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise ValueError("a naive datetime has no place in the database")
    return value.astimezone(UTC)


def _text(value: datetime | None) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.isoformat(" ", "microseconds").removesuffix("+00:00")


class Base(DeclarativeBase):
    """Base of all tables; constraint names are deterministic so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {Decimal: Money, datetime: UtcDateTime}
