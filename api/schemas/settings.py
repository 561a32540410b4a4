"""Settings of a user's screens and notifications: everything bounded, nothing unknown."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import NAME, DecimalString, invalid
from api.schemas.market import Timeframe
from services.notifications.notifications import Kind, Ways

THEMES = ("system", "light", "dark")
CHART_TYPES = ("candles", "hollow_candles", "heikin_ashi", "bars", "line", "area")
KINDS: dict[str, Kind] = {
    "fills": "fill",
    "rejections": "rejection",
    "strategy_errors": "strategy_error",
    "tournaments": "tournament",
    "price_alerts": "price_alert",
    "announcements": "announcement",
}
"""What settings call the kinds of things that users are told of."""

CHANNELS = ("in_app", "email", "webhook", "bot")
MAX_INDICATORS = 50
MAX_PARAMETERS = 20
MAX_TEXT = 64
_PARAMETER = re.compile(r"[A-Za-z0-9_]{1,32}")
_NUMBER = DecimalString()


class Parameters(fields.Dict):
    """A few named numbers, words and switches."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        read: Any = super()._deserialize(value, attr, data, **options)  # type: ignore[no-untyped-call]
        if len(read) > MAX_PARAMETERS:
            raise invalid("too_many", f"Use at most {MAX_PARAMETERS} parameters.")
        for name, each in read.items():
            if not isinstance(name, str) or not _PARAMETER.fullmatch(name):
                raise invalid("invalid_name", "Name parameters with 1 to 32 letters, digits and underscores.")
            if not isinstance(each, str | int | Decimal):
                raise invalid("invalid_value", "Use numbers, words, true and false.")
            if isinstance(each, str) and len(each) > MAX_TEXT:
                raise invalid("too_long", f"Use at most {MAX_TEXT} characters.")
        return {name: _parameter(each) for name, each in read.items()}


def _parameter(value: str | int | Decimal) -> str | int | Decimal:
    """Return a parameter as it is kept: a number of few letters may be one of a billion digits."""
    return _NUMBER.deserialize(value) if isinstance(value, Decimal) else value


class IndicatorSchema(Schema):
    """An indicator on the chart."""

    name = fields.String(required=True, validate=NAME)
    parameters = Parameters(
        load_default=dict, metadata={"description": "At most 20 numbers, words and switches.", "maxProperties": 20}
    )


def _channels() -> fields.List[Any]:
    one = fields.String(validate=validate.OneOf(CHANNELS))
    return fields.List(one, validate=validate.Length(max=len(CHANNELS)))


class NotificationsSchema(Schema):
    """Where each kind of thing is told, as in `/api/notifications/settings`; an empty list is nowhere.

    What is left out stays as it is. `bot` are the notifiers of the operator's bot; it tells administrators alone.
    """

    fills = _channels()
    rejections = _channels()
    strategy_errors = _channels()
    tournaments = _channels()
    price_alerts = _channels()
    announcements = _channels()

    @post_load
    def ways(self, chosen: dict[str, list[str]], **_: Any) -> list[Ways]:
        """Return what was chosen."""
        return [
            Ways(kind=KINDS[name], **{each: each in channels for each in CHANNELS}) for name, channels in chosen.items()
        ]


class UserSettingsSchema(Schema):
    """Settings of the caller; what is left out has its default, except for `notifications`."""

    theme = fields.String(load_default="system", validate=validate.OneOf(THEMES))
    default_timeframe = Timeframe(load_default="1h")
    chart_type = fields.String(load_default="candles", validate=validate.OneOf(CHART_TYPES))
    indicators = fields.List(
        fields.Nested(IndicatorSchema), load_default=list, validate=validate.Length(max=MAX_INDICATORS)
    )
    notifications = fields.Nested(NotificationsSchema)

    @post_load
    def wanted(self, settings: dict[str, Any], **_: Any) -> tuple[dict[str, Any], list[Ways]]:
        """Return the settings, and the ways in which the caller wants to be told."""
        return settings, settings.pop("notifications", [])


DEFAULTS: dict[str, Any] = UserSettingsSchema().load({})[0]
"""The settings of who has set none."""


def told(settings: dict[str, Any], ways: list[Ways]) -> dict[str, Any]:
    """Return settings as they are told, with the ways in which their user is told of things."""
    chosen = {each.kind: [channel for channel in CHANNELS if getattr(each, channel)] for each in ways}
    return {**settings, "notifications": {name: chosen[kind] for name, kind in KINDS.items()}}
