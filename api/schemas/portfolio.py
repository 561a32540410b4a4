"""Bodies of portfolios."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas.fields import DecimalString

MODES = ["paper", "live"]


class AccountQuery(Schema):
    """Which account is meant."""

    account = fields.String(
        load_default=None, validate=validate.Length(max=64), metadata={"description": "The main account when absent."}
    )


class HoldingSchema(Schema):
    """What an account has of one currency."""

    free = DecimalString(required=True)
    locked = DecimalString(required=True)
    total = DecimalString(required=True)
    value = DecimalString(required=True, allow_none=True)


class BalanceSchema(Schema):
    """Everything an account holds, valued in its reference currency."""

    account = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    currencies = fields.Dict(keys=fields.String(), values=fields.Nested(HoldingSchema), required=True)
    reference_currency = fields.String(required=True)
    total_value = DecimalString(required=True)


class PositionSchema(Schema):
    """A holding with its average entry price."""

    account = fields.String(required=True)
    symbol = fields.String(required=True)
    side = fields.String(required=True, validate=validate.OneOf(["long", "short"]))
    amount = DecimalString(required=True)
    entry_price = DecimalString(required=True, allow_none=True)
    mark_price = DecimalString(required=True, allow_none=True)
    unrealized_pnl = DecimalString(required=True, allow_none=True)


class ProfitSchema(Schema):
    """The gain over what was deposited."""

    amount = DecimalString(required=True)
    percent = DecimalString(required=True)


class PortfolioSchema(BalanceSchema):
    """The overview of an account."""

    open_orders = fields.Integer(required=True)
    positions = fields.List(fields.Nested(PositionSchema), required=True)
    profit = fields.Nested(ProfitSchema, required=True)
    as_of = fields.DateTime(required=True)
