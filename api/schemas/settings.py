"""Settings of a user's screens and notifications: everything bounded, nothing unknown."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, fields, validate

from api.schemas.fields import NAME, invalid
from api.schemas.market import Timeframe

THEMES = ("system", "light", "dark")
CHART_TYPES = ("candles", "hollow_candles", "heikin_ashi", "bars", "line", "area")
EVENTS = ("fills", "rejections", "strategy_errors", "tournaments", "price_alerts")
CHANNELS = ("in_app", "email", "webhook", "telegram")
MAX_INDICATORS = 50
MAX_PARAMETERS = 20
MAX_TEXT = 64
_PARAMETER = re.compile(r"[A-Za-z0-9_]{1,32}")


class Parameters(fields.Dict):
    """A few named numbers, words and switches."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        read: Any = super()._deserialize(value, attr, data, **options)  # type: ignore[no-untyped-call]
        if len(read) > MAX_PARAMETERS:
            raise invalid("too_many", f"Use at most {MAX_PARAMETERS} parameters.")
        for name, each in read.items():
            if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
                raise invalid("invalid_name", "Name parameters with 1 to 32 letters, digits and underscores.")
            if not isinstance(each, str | int | bool) and not hasattr(each, "as_tuple"):
                raise invalid("invalid_value", "Use numbers, words, true and false.")
            if len(str(each)) > MAX_TEXT:
                raise invalid("too_long", f"Use at most {MAX_TEXT} characters.")
        return read


class IndicatorSchema(Schema):
    """An indicator on the chart."""

    name = fields.String(required=True, validate=NAME)
    parameters = Parameters(
        load_default=dict, metadata={"description": "At most 20 numbers, words and switches.", "maxProperties": 20}
    )


def _channels() -> fields.List[Any]:
    one = fields.String(validate=validate.OneOf(CHANNELS))
    return fields.List(one, load_default=lambda: ["in_app"], validate=validate.Length(max=len(CHANNELS)))


class NotificationsSchema(Schema):
    """Where each kind of event is told; an empty list is nowhere."""

    fills = _channels()
    rejections = _channels()
    strategy_errors = _channels()
    tournaments = _channels()
    price_alerts = _channels()


class UserSettingsSchema(Schema):
    """Settings of the caller; what is left out has its default."""

    theme = fields.String(load_default="system", validate=validate.OneOf(THEMES))
    default_timeframe = Timeframe(load_default="1h")
    chart_type = fields.String(load_default="candles", validate=validate.OneOf(CHART_TYPES))
    indicators = fields.List(
        fields.Nested(IndicatorSchema), load_default=list, validate=validate.Length(max=MAX_INDICATORS)
    )
    notifications = fields.Nested(NotificationsSchema, load_default=lambda: NotificationsSchema().load({}))


DEFAULTS: dict[str, Any] = UserSettingsSchema().load({})
"""The settings of who has set none."""
