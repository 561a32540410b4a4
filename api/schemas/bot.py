"""Bodies of the operator's bot."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import Count
from api.schemas.portfolio import PortfolioSchema
from services.bot.records import Wanted
from utils.wire import BotState, GetBotOrders, GetBotTrades, Mode

EXCHANGE = validate.Regexp(r"[A-Za-z0-9_-]{1,64}\Z")


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
    symbols = fields.List(fields.String(), required=True)
    trading_modes = fields.List(fields.Nested(BotTradingSchema), required=True)


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


class BotAccountSchema(Schema):
    """One of the bot's exchanges as an account."""

    id = fields.String(required=True, metadata={"description": "Names it in orders and trades."})
    name = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(get_args(Mode)))
    exchange = fields.String(required=True)
    type = fields.String(required=True)
    kind = fields.String(required=True, metadata={"description": "`bot`."})
    status = fields.String(required=True)
    reference_currency = fields.String(required=True)
    created_at = fields.DateTime(required=True, metadata={"description": "When this bot was started."})
    portfolio = fields.Nested(PortfolioSchema, required=True)


class BotOrderQuery(Schema):
    """Which of the bot's orders are wanted."""

    exchange = fields.String(validate=EXCHANGE, metadata={"description": "One exchange; all when absent."})

    @post_load
    def build(self, values: dict[str, Any], **_: Any) -> GetBotOrders:
        """Return the query."""
        return GetBotOrders(**values)


class BotTradeQuery(Schema):
    """Which of the bot's trades are wanted."""

    exchange = fields.String(validate=EXCHANGE, metadata={"description": "One exchange; all when absent."})
    limit = Count(load_default=50, validate=validate.Range(min=1, max=500))

    @post_load
    def build(self, values: dict[str, Any], **_: Any) -> GetBotTrades:
        """Return the query."""
        return GetBotTrades(**values)
