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
    """A holding, or a position in a perpetual, with its average entry price. A holding has nothing below that gain."""

    account = fields.String(required=True)
    symbol = fields.String(required=True)
    side = fields.String(required=True, validate=validate.OneOf(["long", "short"]))
    amount = DecimalString(required=True)
    entry_price = DecimalString(required=True, allow_none=True)
    mark_price = DecimalString(required=True, allow_none=True)
    unrealized_pnl = DecimalString(required=True, allow_none=True)
    leverage = DecimalString(required=True, allow_none=True)
    margin = DecimalString(required=True, allow_none=True, metadata={"description": "What is locked for it."})
    liquidation_price = DecimalString(required=True, allow_none=True)
    realized_pnl = DecimalString(
        required=True, allow_none=True, metadata={"description": "Gained since it was opened, after fees."}
    )
    funding = DecimalString(
        required=True,
        allow_none=True,
        metadata={"description": "Got as funding since then; paid when negative."},
    )


class LeverageChangeSchema(Schema):
    """The leverage to trade a market with from now on."""

    leverage = DecimalString(required=True, positive=True, metadata={"description": "A whole number."})
    account = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": "The main account when absent."},
    )


class LeverageSchema(Schema):
    """The leverage of a market, and what follows from it for an open position."""

    account = fields.String(required=True)
    symbol = fields.String(required=True)
    leverage = DecimalString(required=True)
    max_leverage = DecimalString(required=True)
    margin = DecimalString(required=True)
    liquidation_price = DecimalString(required=True, allow_none=True)


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
