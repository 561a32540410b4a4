"""Queries and answers of option chains."""

from __future__ import annotations

from datetime import date
from typing import Any

from marshmallow import Schema, fields, post_load

from api.schemas.fields import DecimalString
from api.schemas.market import TickerQuery, Word


class OptionChainQuery(TickerQuery):
    """Which options are wanted: all when absent."""

    expiry = fields.Date(format="iso", metadata={"description": "The day on which they expire (UTC)."})
    type = Word("call", "put", metadata={"description": "Both when absent."})

    @post_load
    def write_expiry(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Name the expiry by its day."""
        expiry = values.get("expiry")
        return {**values, "expiry": expiry.isoformat()} if isinstance(expiry, date) else values


class OptionQuoteSchema(Schema):
    """One option; null is what nobody offers or the exchange does not tell."""

    symbol = fields.String(required=True)
    bid = DecimalString(required=True, allow_none=True)
    ask = DecimalString(required=True, allow_none=True)
    mark = DecimalString(required=True, allow_none=True)
    last = DecimalString(required=True, allow_none=True)
    implied_volatility = DecimalString(
        required=True, allow_none=True, metadata={"description": "Of a year, as a fraction: 0.55 is 55 %."}
    )
    delta = DecimalString(required=True, allow_none=True)
    gamma = DecimalString(required=True, allow_none=True)
    theta = DecimalString(required=True, allow_none=True, metadata={"description": "For one day."})
    vega = DecimalString(
        required=True, allow_none=True, metadata={"description": "For one percentage point of volatility."}
    )
    rho = DecimalString(
        required=True, allow_none=True, metadata={"description": "For one percentage point of interest."}
    )
    open_interest = DecimalString(required=True, allow_none=True)


class OptionStrikeSchema(Schema):
    """The call and the put of one strike; null where there is none, or it was not asked for."""

    strike = DecimalString(required=True)
    call = fields.Nested(OptionQuoteSchema, required=True, allow_none=True)
    put = fields.Nested(OptionQuoteSchema, required=True, allow_none=True)


class OptionExpirySchema(Schema):
    """The strikes of one expiry, ascending."""

    expiry = fields.DateTime(required=True)
    underlying_price = DecimalString(
        required=True, allow_none=True, metadata={"description": "What the options of this expiry are computed with."}
    )
    strikes = fields.List(fields.Nested(OptionStrikeSchema), required=True)


class OptionChainSchema(Schema):
    """The options on a market, by expiry."""

    symbol = fields.String(required=True)
    exchange = fields.String(required=True)
    expiries = fields.List(fields.Nested(OptionExpirySchema), required=True)
    as_of = fields.DateTime(required=True)
    stale = fields.Boolean(required=True)
