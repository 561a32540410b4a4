"""The state of the gateway."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, fields, post_load, validate

from utils.wire import FeedState


class ExchangeSchema(Schema):
    """An exchange."""

    exchange = fields.String(
        required=True,
        validate=validate.Regexp(r"[A-Za-z0-9]{2,32}\Z", error="Use the name that ccxt gives the exchange."),
        metadata={"example": "binance"},
    )

    @post_load
    def name(self, values: dict[str, str], **_: Any) -> str:
        """Return the name as ccxt has it."""
        return values["exchange"].lower()


class DisconnectedExchangeSchema(Schema):
    """An exchange that is followed no more."""

    exchange = fields.String(required=True)
    resting_accounts = fields.Integer(
        required=True,
        metadata={"description": "How many active accounts there rest, as they are, until it is connected again."},
    )


class FeedFailureSchema(Schema):
    """Why a feed could last not be read."""

    code = fields.String(required=True)
    detail = fields.String(required=True)
    at = fields.DateTime(required=True)


class RateBudgetSchema(Schema):
    """How often the exchange may be asked; null is what it does not tell."""

    interval = fields.Float(required=True, metadata={"description": "Seconds kept between two plain requests."})
    used = fields.Integer(required=True, allow_none=True)
    limit = fields.Integer(required=True, allow_none=True)


class FeedStatusSchema(Schema):
    """The feed of one exchange; ages in seconds."""

    exchange = fields.String(required=True)
    state = fields.String(
        required=True,
        validate=validate.OneOf(get_args(FeedState)),
        metadata={"description": "`mute`: it answers, but no price arrives. `ended`: a recording that has run out."},
    )
    connected = fields.Boolean(required=True, metadata={"description": "Whether its prices are good to trade at."})
    symbols = fields.Integer(required=True, metadata={"description": "How many markets are followed."})
    tick_age = fields.Float(
        required=True, allow_none=True, metadata={"description": "Since prices were last read; null: never yet."}
    )
    price_age = fields.Float(
        required=True, allow_none=True, metadata={"description": "Since any of the prices last moved."}
    )
    symbol_ages = fields.Dict(
        keys=fields.String(),
        values=fields.Float(),
        required=True,
        metadata={"description": "Since each market last showed life: a change, or a newer time of the exchange."},
    )
    mute_symbols = fields.List(
        fields.String(), required=True, metadata={"description": "Markets that showed no life for too long."}
    )
    latency = fields.Float(
        required=True, allow_none=True, metadata={"description": "Seconds that reading the prices last took."}
    )
    reconnects = fields.Integer(
        required=True,
        metadata={"description": "How often the connection was made anew because it had failed or was mute."},
    )
    last_error = fields.Nested(FeedFailureSchema, required=True, allow_none=True)
    rate_budget = fields.Nested(RateBudgetSchema, required=True, allow_none=True)


class GatewayStatusSchema(Schema):
    """How the engine and its feeds are."""

    engine_started_at = fields.DateTime(required=True)
    loop_lag = fields.Float(
        required=True, metadata={"description": "How late the engine last came to do something, in seconds."}
    )
    exchanges = fields.List(fields.Nested(FeedStatusSchema), required=True)
