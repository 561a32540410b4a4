"""Bodies and queries of risk limits and kill switches."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.bot import LeftOrderSchema
from api.schemas.fields import DecimalString
from api.schemas.market import Symbol, Word
from services.trading.risk import Target
from utils.wire import RiskLimits

SCOPES = ("account", "user", "installation")
MAX_SYMBOLS = 500
_ID = validate.Length(min=1, max=64)


def _limit(**description: str) -> DecimalString:
    return DecimalString(positive=True, load_default=None, allow_none=True, metadata=description)


class RiskLimitsSchema(Schema):
    """What an account must not do; null is no limit. Values are in its reference currency."""

    max_order_value = _limit(description="What one order may be worth.")
    max_open_orders = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(min=0, max=100_000),
        metadata={"description": "The installation has a limit of its own (500)."},
    )
    max_position_value = _limit(description="What one holding may be worth after an order, with those that wait.")
    max_daily_loss = _limit(
        description="Equity at the start of the UTC day, plus deposits, minus equity now. Sales of holdings go on."
    )
    price_collar = DecimalString(
        positive=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(max=100),
        metadata={"description": "How far a limit price may be from the mark, in percent, either way."},
    )
    allowed_symbols = fields.List(
        Symbol(required=True),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=MAX_SYMBOLS),
        metadata={"description": "The markets that may be bought; each has to be one of the account's exchange."},
    )

    @post_load
    def limits(self, values: dict[str, Any], **_: Any) -> RiskLimits:
        """Return the limits."""
        return RiskLimits(**values)


class StoredLimitsSchema(Schema):
    """The limits of an account, and when they were set."""

    max_order_value = DecimalString(required=True, allow_none=True)
    max_open_orders = fields.Integer(required=True, allow_none=True)
    max_position_value = DecimalString(required=True, allow_none=True)
    max_daily_loss = DecimalString(required=True, allow_none=True)
    price_collar = DecimalString(required=True, allow_none=True)
    allowed_symbols = fields.List(fields.String(), required=True, allow_none=True)
    updated_at = fields.DateTime(required=True, allow_none=True)


class LimitsQuery(Schema):
    """Whose limits are meant."""

    account = fields.String(load_default=None, validate=_ID, metadata={"description": "The main account when absent."})


class TargetQuery(Schema):
    """Whom a kill switch is for."""

    scope = Word(*SCOPES, required=True, metadata={"description": "How far it reaches.", "example": "account"})
    account = fields.String(validate=_ID, metadata={"description": "With scope account; the main one when absent."})
    user = fields.String(validate=_ID, metadata={"description": "With scope user, for administrators."})

    @post_load
    def target(self, values: dict[str, Any], **_: Any) -> Any:
        """Return the target."""
        return Target(**values)


class KillSwitchOrderSchema(TargetQuery):
    """A kill switch to engage."""

    reason = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=256))

    @post_load
    def target(self, values: dict[str, Any], **_: Any) -> Any:
        """Return the target and the reason."""
        reason = values.pop("reason")
        return Target(**values), reason


class KillSwitchSchema(Schema):
    """An engaged kill switch."""

    scope = fields.String(required=True, validate=validate.OneOf(SCOPES))
    target = fields.String(required=True, metadata={"description": "An account's or a user's id, else empty."})
    engaged_by = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    engaged_at = fields.DateTime(required=True)


class KillSwitchStateSchema(Schema):
    """A kill switch after a command."""

    scope = fields.String(required=True, validate=validate.OneOf(SCOPES))
    target = fields.String(required=True, metadata={"description": "An account's or a user's id, else empty."})
    engaged = fields.Boolean(required=True)
    engaged_by = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    engaged_at = fields.DateTime(required=True, allow_none=True)
    canceled = fields.List(fields.String(), required=True, metadata={"description": "The orders that it canceled."})
    open = fields.List(
        fields.String(), required=True, metadata={"description": "The orders that are not canceled yet; it goes on."}
    )
    left_orders = fields.List(
        fields.Nested(LeftOrderSchema),
        required=True,
        metadata={
            "description": "With the scope `installation`: what the operator's bot, which does not run, left open at "
            "real exchanges. Nobody cancels that; cancel it there."
        },
    )
