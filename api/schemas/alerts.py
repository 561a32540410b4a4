"""Bodies of price alerts."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import DecimalString
from api.schemas.market import Symbol, Word
from services.notifications.alerts import NewAlert

CONDITIONS = ("above", "below", "percent")


class NewPriceAlertSchema(Schema):
    """A price to wait for."""

    exchange = fields.String(load_default="demo", validate=validate.Length(min=1, max=32))
    symbol = Symbol(required=True)
    condition = Word(*CONDITIONS, required=True)
    value = DecimalString(
        required=True, metadata={"description": "A price; for `percent` a change from now on, up or down."}
    )

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> NewAlert:
        """Return the command."""
        return NewAlert(**values)


class PriceAlertSchema(Schema):
    """A price that the caller waits for."""

    id = fields.String(required=True)
    exchange = fields.String(required=True)
    symbol = fields.String(required=True)
    condition = fields.String(required=True, validate=validate.OneOf(CONDITIONS))
    value = DecimalString(required=True)
    level = DecimalString(required=True, metadata={"description": "The price that fires it."})
    state = fields.String(required=True, validate=validate.OneOf(["active", "fired"]))
    fired_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)


class DeletedAlertSchema(Schema):
    """The alert that is waited for no more."""

    id = fields.String(required=True)
