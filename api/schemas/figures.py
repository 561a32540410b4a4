"""Bodies and queries of the installation's figures."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas.fields import Count, DecimalString

MAX_DAYS = 366
_VOLUME = "What was traded, by quote currency."


class DaysQuery(Schema):
    """How far back."""

    days = Count(
        load_default=30,
        validate=validate.Range(min=1, max=MAX_DAYS),
        metadata={"description": "How many days, today included."},
    )


class UserCountsSchema(Schema):
    """How many users there are."""

    total = fields.Integer(required=True)
    active = fields.Integer(required=True, metadata={"description": "Not deactivated."})
    admins = fields.Integer(required=True)
    new = fields.Integer(required=True, metadata={"description": "In the last 24 hours."})
    seen = fields.Integer(required=True, metadata={"description": "Used a session or a key in the last 24 hours."})


class ActivitySchema(Schema):
    """What is traded: open orders now, the rest in the last 24 hours."""

    open_orders = fields.Integer(required=True)
    orders = fields.Integer(required=True)
    trades = fields.Integer(required=True)
    traders = fields.Integer(required=True)
    volume = fields.Dict(keys=fields.String(), values=DecimalString(), required=True, metadata={"description": _VOLUME})


class BucketSchema(Schema):
    """How many accounts have a profit of at least `above` and less than `to` percent."""

    above = DecimalString(required=True, allow_none=True)
    to = DecimalString(required=True, allow_none=True)
    accounts = fields.Integer(required=True)


class ProfitsSchema(Schema):
    """How profits over what was deposited are spread over accounts, as last sampled."""

    accounts = fields.Integer(required=True)
    gaining = fields.Integer(required=True)
    losing = fields.Integer(required=True)
    median_percent = DecimalString(required=True, allow_none=True)
    buckets = fields.List(fields.Nested(BucketSchema), required=True)


class ProfitsByModeSchema(Schema):
    """Profits of paper and of live accounts."""

    paper = fields.Nested(ProfitsSchema, required=True)
    live = fields.Nested(ProfitsSchema, required=True)


class FeedStateSchema(Schema):
    """How the prices of an exchange come in."""

    exchange = fields.String(required=True)
    connected = fields.Boolean(required=True)
    symbols = fields.Integer(required=True)
    tick_age = fields.Float(required=True, allow_none=True, metadata={"description": "Seconds since the last price."})


class EngineStateSchema(Schema):
    """How the engine is."""

    pid = fields.Integer(required=True)
    octobot_version = fields.String(required=True)
    started_at = fields.DateTime(required=True)
    accounts_in_memory = fields.Integer(required=True)
    open_orders = fields.Integer(required=True)
    loop_lag = fields.Float(required=True, metadata={"description": "Seconds by which it last ran late."})
    feeds = fields.List(fields.Nested(FeedStateSchema), required=True)


class StatisticsSchema(Schema):
    """The installation now."""

    users = fields.Nested(UserCountsSchema, required=True)
    paper = fields.Nested(ActivitySchema, required=True)
    live = fields.Nested(ActivitySchema, required=True)
    profits = fields.Nested(ProfitsByModeSchema, required=True)
    engine = fields.Nested(
        EngineStateSchema, required=True, allow_none=True, metadata={"description": "Null while it is away."}
    )
    as_of = fields.DateTime(required=True)


class DaySchema(Schema):
    """What happened on a UTC day."""

    date = fields.Date(required=True)
    users = fields.Integer(required=True, metadata={"description": "How many there were at its end."})
    new_users = fields.Integer(required=True)
    signed_in = fields.Integer(required=True, metadata={"description": "Users who signed in."})
    traders = fields.Integer(required=True, metadata={"description": "Users who placed an order."})
    orders = fields.Integer(required=True)
    trades = fields.Integer(required=True)
    volume = fields.Dict(keys=fields.String(), values=DecimalString(), required=True, metadata={"description": _VOLUME})
