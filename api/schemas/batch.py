"""Batches of orders, in and out."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from api.arguments import refusal
from api.schemas.envelope import ProblemSchema
from api.schemas.trading import OrderSchema, OrderTicketSchema
from services.trading.orders import Wish

MAX_ORDERS = 50


class _Wish(fields.Nested):
    """An order of a batch; one that cannot be read is refused by itself."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, *args: Any, **options: Any) -> Wish:
        try:
            account, ticket = super()._deserialize(value, attr, data, *args, **options)
        except ValidationError as error:
            return Wish(refusal=refusal(error.messages))
        return Wish(account=account, ticket=ticket)


class BatchSchema(Schema):
    """Orders to place, one after the other."""

    orders = fields.List(_Wish(OrderTicketSchema), required=True, validate=validate.Length(min=1, max=MAX_ORDERS))

    @post_load
    def wishes(self, values: dict[str, Any], **_: Any) -> list[Wish]:
        """Return the orders."""
        wishes: list[Wish] = values["orders"]
        return wishes


class PlacementSchema(Schema):
    """What became of one order: `data` with the status 201, else `error`."""

    status = fields.Integer(required=True)
    data = fields.Nested(OrderSchema)
    error = fields.Nested(ProblemSchema)
