"""The exits of a bracket, in and out."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load

from api.schemas.fields import DecimalString
from utils.wire import ExitLeg


class ExitSchema(Schema):
    """An exit of a bracket; see `OrderTicket`."""

    price = DecimalString(positive=True, load_default=None, allow_none=True)
    stop_price = DecimalString(positive=True, load_default=None, allow_none=True)

    @post_load
    def leg(self, values: dict[str, Any], **_: Any) -> ExitLeg:
        """Return the leg."""
        return ExitLeg(**values)


def exit_leg(description: str, **options: Any) -> fields.Nested:
    """Return the field of a leg."""
    return fields.Nested(ExitSchema, allow_none=True, metadata={"description": description}, **options)


class StoredExitSchema(Schema):
    """An exit that is placed when its order fills."""

    price = DecimalString(required=True, allow_none=True)
    stop_price = DecimalString(required=True, allow_none=True)
