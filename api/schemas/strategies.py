"""Bodies and queries of strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from marshmallow import Schema, ValidationError, fields, post_load, pre_load, validate, validates_schema

from api.schemas.accounts import Funds
from api.schemas.envelope import PageQuery
from api.schemas.fields import Coded, Count, DecimalString, invalid
from api.schemas.market import Word
from api.schemas.performance import PERIODS
from api.schemas.portfolio import MODES
from api.schemas.trades import ACCOUNT
from services.market import DEFAULT_EXCHANGE
from services.strategies.additions import NewStrategy
from services.strategies.strategies import Wanted
from utils.wire import STRATEGY_STATES

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
MOST_SETTINGS = 50
MOST_LETTERS = 200
MOST_VALUE_BYTES = 4096
MOST_SETTINGS_BYTES = 16 * 1024
"""Of the text of a setting, and of the JSON of one setting and of all."""
EXCHANGE = validate.Regexp(r"[a-z0-9_]{1,32}\Z", error="Use the exchange's name.")
LEVELS = ["info", "warning", "error"]
_NAMED = validate.Regexp(rf"{NAME}\Z", error="Use 1 to 64 letters, digits and _ . - that begin with a letter or digit.")


def within(most: int) -> Callable[[object], None]:
    """Return the validator of what may take `most` bytes of JSON."""

    def check(value: object) -> None:
        if len(msgspec.json.encode(value)) > most:
            raise invalid("too_long", f"At most {most} bytes of JSON.")

    return check


def setting_field() -> fields.Raw:
    """Return the field of one value of a setting."""
    return fields.Raw(allow_none=True, validate=_check_setting)


def _check_setting(value: object) -> None:
    if isinstance(value, str) and len(value) > MOST_LETTERS:
        raise invalid("too_long", f"At most {MOST_LETTERS} letters.")
    within(MOST_VALUE_BYTES)(value)


def settings_field(**options: Any) -> fields.Dict:
    """Return the field of a strategy's settings."""
    return fields.Dict(
        keys=fields.String(validate=validate.Length(max=64)),
        values=setting_field(),
        validate=[validate.Length(max=MOST_SETTINGS), within(MOST_SETTINGS_BYTES)],
        metadata={
            "description": "As the class's JSON Schema has it; `GET /api/strategies/meta/strategy-classes`. A text has "
            f"at most {MOST_LETTERS} letters, a value {MOST_VALUE_BYTES} bytes of JSON, all {MOST_SETTINGS_BYTES}."
        },
        **options,
    )


class _WithSettings(Schema):
    ALIASES = {"setting": "settings"}

    @pre_load
    def rename(self, body: Any, **_: Any) -> Any:
        """Take `setting` for `settings`."""
        if not isinstance(body, dict) or "setting" not in body:
            return body
        if "settings" in body:
            raise ValidationError({"setting": [Coded("ambiguous", "This is settings by another name; send one.")]})
        return {"settings" if name == "setting" else name: value for name, value in body.items()}


class NewStrategySchema(_WithSettings):
    """A strategy to add. `setting` is an alias of `settings`."""

    strategy_class = fields.String(
        required=True,
        validate=validate.Length(min=1, max=64),
        metadata={"description": "The name of a class, qualified by its origin where two have the same."},
    )
    portfolio_name = fields.String(
        required=True,
        validate=validate.Length(min=1, max=512),
        metadata={"description": "What it trades: a market, or several, separated by commas."},
    )
    settings = settings_field(load_default=dict)
    funding = Funds(
        load_default=None,
        allow_none=True,
        metadata={
            "description": "What it gets from its parent, in that one's currency. A live account it has as a whole: "
            "send none then."
        },
    )
    name = fields.String(
        load_default=None,
        allow_none=True,
        validate=_NAMED,
        metadata={"description": "Made of class and portfolio when absent."},
    )
    account = fields.String(
        load_default=None,
        allow_none=True,
        validate=ACCOUNT,
        metadata={
            "description": "The account that funds it, the main one when absent. A live one is taken as a whole: "
            "nobody trades on it beside the strategy until that is deleted."
        },
    )

    @post_load
    def strategy(self, values: dict[str, Any], **_: Any) -> NewStrategy:
        """Return the strategy to add."""
        return NewStrategy(**values)


class StrategyChangesSchema(_WithSettings):
    """What to change of a strategy; settings that are absent stay. `setting` is an alias of `settings`."""

    settings = settings_field(load_default=dict)
    funding = Funds(
        load_default=None, allow_none=True, metadata={"description": "What it gets the next time it is funded."}
    )

    @validates_schema
    def check_any(self, values: dict[str, Any], **_: Any) -> None:
        """Refuse a change of nothing."""
        if not values["settings"] and values["funding"] is None:
            raise ValidationError(Coded("required", "Send what to change."))


class RestoreSchema(Schema):
    """The removed strategy to restore."""

    strategy_name = fields.String(required=True, validate=_NAMED)


class StrategySchema(Schema):
    """A strategy, on an account of its own."""

    name = fields.String(required=True)
    strategy_class = fields.String(required=True)
    account = fields.String(required=True, metadata={"description": "Its own account; orders and trades are there."})
    parent = fields.String(
        required=True, metadata={"description": "The account that funds it; its own when that is live."}
    )
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    exchange = fields.String(required=True)
    portfolio_name = fields.String(required=True)
    settings = fields.Dict(required=True)
    funding = DecimalString(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STRATEGY_STATES))
    error = fields.String(required=True, allow_none=True, metadata={"description": "Why it failed, in words."})
    error_code = fields.String(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class StrategyQuery(PageQuery):
    """Which strategies are wanted."""

    state = Word(*STRATEGY_STATES, load_default=None, metadata={"description": "All that are not removed when absent."})

    @post_load
    def wanted(self, values: dict[str, Any], **_: Any) -> Wanted:
        """Return what is wanted."""
        return Wanted(**values)


class RemovedQuery(PageQuery):
    """Which part of the removed strategies is wanted."""

    @post_load
    def wanted(self, values: dict[str, Any], **_: Any) -> Wanted:
        """Return what is wanted."""
        return Wanted(**values, state="removed")


class StrategyClassSchema(Schema):
    """What a strategy can be."""

    name = fields.String(required=True)
    origin = fields.String(required=True, metadata={"description": "Who it comes from: `house` is this program."})
    title = fields.String(required=True)
    description = fields.String(required=True)
    basket = fields.Boolean(required=True, metadata={"description": "Whether it trades several markets."})
    settings = fields.Dict(required=True, metadata={"description": "A JSON Schema (2020-12)."})
    defaults = fields.Dict(required=True)


class PortfolioNameSchema(Schema):
    """What a strategy can trade."""

    name = fields.String(required=True)
    exchange = fields.String(required=True)
    base = fields.String(required=True)
    quote = fields.String(required=True)


class ExchangeQuery(Schema):
    """Whose markets are wanted."""

    exchange = fields.String(load_default=DEFAULT_EXCHANGE, validate=EXCHANGE)


class SpanQuery(Schema):
    """Which time is meant."""

    period = Word(*PERIODS, load_default="all", metadata={"description": "How far back; `all` since it was added."})


class StakeSchema(Schema):
    """What is held of a currency."""

    currency = fields.String(required=True)
    amount = DecimalString(required=True)
    value = DecimalString(required=True, allow_none=True)


class StrategyHoldingSchema(Schema):
    """What a strategy holds."""

    strategy = fields.String(required=True)
    account = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    exchange = fields.String(required=True)
    portfolio_name = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STRATEGY_STATES))
    currency = fields.String(required=True, metadata={"description": "Of the values."})
    currencies = fields.List(fields.Nested(StakeSchema), required=True)
    value = DecimalString(required=True, allow_none=True)
    profit = DecimalString(
        required=True, allow_none=True, metadata={"description": "Beyond what it got from its parent, over all runs."}
    )


class StrategyPortfolioSchema(Schema):
    """What the strategies that trade the same hold together."""

    name = fields.String(required=True)
    exchange = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(MODES))
    currency = fields.String(required=True, metadata={"description": "Of the values."})
    strategies = fields.List(fields.String(), required=True)
    currencies = fields.List(fields.Nested(StakeSchema), required=True)
    value = DecimalString(required=True, allow_none=True)


class UpdatesQuery(Schema):
    """From where on updates are wanted."""

    since_id = Count(
        load_default=None, metadata={"description": "`last_id` of the answer before; without it, where to begin."}
    )


class UpdateSchema(Schema):
    """A strategy after an event; `reset` means that all has to be read anew."""

    id = fields.Integer(required=True)
    type = fields.String(required=True, validate=validate.OneOf(["strategy", "reset"]))
    strategy = fields.Nested(StrategySchema, required=True, allow_none=True)
    created_at = fields.DateTime(required=True)


class UpdatesSchema(Schema):
    """What happened to strategies, the oldest first."""

    last_id = fields.Integer(required=True)
    updates = fields.List(fields.Nested(UpdateSchema), required=True)


class LogQuery(PageQuery):
    """Which part of a strategy's log is wanted."""

    level = Word(*LEVELS, load_default=None)


class LogEntrySchema(Schema):
    """What a strategy had to say."""

    id = fields.String(required=True)
    level = fields.String(required=True, validate=validate.OneOf(LEVELS))
    message = fields.String(required=True)
    created_at = fields.DateTime(required=True)
