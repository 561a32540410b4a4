"""Bodies of the operator's bot."""

from __future__ import annotations

from typing import get_args

from marshmallow import Schema, fields, validate

from api.schemas.fields import DecimalString
from services.bot.records import Wanted
from utils.wire import BotState, Mode, OrderType, Side


class BotTradingSchema(Schema):
    """A trading mode at work."""

    name = fields.String(required=True)
    symbol = fields.String(required=True, allow_none=True, metadata={"description": "Null: it trades all of them."})
    settings = fields.Dict(keys=fields.String(), required=True, metadata={"description": "Secrets are redacted."})


class BotExchangeSchema(Schema):
    """An exchange that the bot trades at."""

    exchange = fields.String(required=True)
    type = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(get_args(Mode)))
    reference_currency = fields.String(required=True)
    symbols = fields.List(fields.String(), required=True)
    trading_modes = fields.List(fields.Nested(BotTradingSchema), required=True)


class LeftOrderSchema(Schema):
    """An order that the bot left at a real exchange when it ended, as it was at `seen_at`; it may have filled since."""

    exchange = fields.String(required=True)
    exchange_order_id = fields.String(required=True, allow_none=True)
    symbol = fields.String(required=True)
    side = fields.String(required=True, validate=validate.OneOf(get_args(Side)))
    type = fields.String(required=True, validate=validate.OneOf(get_args(OrderType)))
    remaining = DecimalString(required=True)
    price = DecimalString(required=True, allow_none=True)
    stop_price = DecimalString(required=True, allow_none=True)
    seen_at = fields.DateTime(required=True)


class BotStatusSchema(Schema):
    """How the bot is."""

    state = fields.String(required=True, validate=validate.OneOf(get_args(BotState)))
    wanted = fields.String(
        required=True,
        validate=validate.OneOf(get_args(Wanted)),
        metadata={"description": "What it comes to within moments, and again after every restart."},
    )
    since = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "When that began; null: there was never a bot."}
    )
    pid = fields.Integer(required=True, allow_none=True)
    started_at = fields.DateTime(required=True, allow_none=True)
    octobot_version = fields.String(required=True, allow_none=True)
    profile = fields.String(required=True, allow_none=True)
    kill_switch = fields.Boolean(
        required=True,
        metadata={
            "description": "That of the installation is engaged: the bot is paused, its open orders are canceled, and "
            "it is not started, restarted or resumed."
        },
    )
    open_orders = fields.Integer(required=True, allow_none=True)
    left_orders = fields.List(
        fields.Nested(LeftOrderSchema),
        required=True,
        metadata={
            "description": "What a bot that is `stopped` or ended in `error` left open at real exchanges, where it may "
            "fill: no kill switch cancels it. Cancel it there."
        },
    )
    exchanges = fields.List(fields.Nested(BotExchangeSchema), required=True)
    evaluators = fields.List(fields.String(), required=True, metadata={"description": "Those that are active."})
    notifiers = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "What tells administrators that chose `bot`: those that are configured and work."},
    )
    error = fields.String(required=True, allow_none=True, metadata={"description": "What failed last."})
    failed_at = fields.DateTime(required=True, allow_none=True)


class NoticedSchema(Schema):
    """Which of the bot's notifiers have told something."""

    notifiers = fields.List(fields.String(), required=True)
