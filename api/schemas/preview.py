"""What placing an order would do."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas.fields import DecimalString
from api.schemas.trades import FeeSchema
from utils.wire import ORDER_TYPES, SIDES


class CheckSchema(Schema):
    """A rule the order was held against."""

    name = fields.String(required=True)
    ok = fields.Boolean(required=True)
    code = fields.String(required=True, allow_none=True)
    message = fields.String(required=True, allow_none=True)


class PreviewSchema(Schema):
    """What placing an order would do now."""

    symbol = fields.String(required=True)
    side = fields.String(required=True, validate=validate.OneOf(SIDES))
    type = fields.String(required=True, validate=validate.OneOf(ORDER_TYPES))
    amount = DecimalString(required=True, allow_none=True)
    price = DecimalString(required=True, allow_none=True)
    cost = DecimalString(required=True, allow_none=True)
    fee = fields.Nested(FeeSchema, required=True, allow_none=True)
    balance_after = fields.Dict(keys=fields.String(), values=DecimalString(), required=True)
    checks = fields.List(fields.Nested(CheckSchema), required=True)
    ok = fields.Boolean(required=True)
