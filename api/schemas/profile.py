"""Profiles of users."""

from __future__ import annotations

import zoneinfo
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from api.schemas.auth import UserSchema
from api.schemas.fields import NAME, Coded, invalid

MAX_URL = 512
_LOCALE = validate.Regexp(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}\Z", error="Use a language tag such as en-GB.")
_FLAG: dict[str, Any] = {"truthy": {True}, "falsy": {False}}


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _check_time_zone(name: str) -> None:
    if name not in _time_zones():
        raise ValidationError(Coded("unknown_time_zone", "Use a name of the IANA database, such as Europe/Berlin."))


class ProfileChangesSchema(Schema):
    """What to change; null takes it back."""

    display_name = fields.String(
        validate=NAME, allow_none=True, metadata={"description": "What others see; the username when null."}
    )
    avatar_url = fields.Url(
        schemes={"https"},
        validate=validate.Length(max=MAX_URL),
        allow_none=True,
        metadata={"description": "Browsers load it; this server never does.", "example": "https://example.com/a.png"},
    )
    locale = fields.String(validate=_LOCALE, allow_none=True, metadata={"example": "en-GB"})
    time_zone = fields.String(
        validate=[validate.Length(max=64), _check_time_zone], allow_none=True, metadata={"example": "Europe/Berlin"}
    )
    leaderboard_opt_in = fields.Boolean(**_FLAG)

    @validates_schema
    def check_any(self, values: dict[str, Any], **_: Any) -> None:
        """Refuse a change of nothing."""
        if not values:
            raise invalid("required", "Send what to change.")


class ProfileSchema(UserSchema):
    """A user with what they say of themselves."""

    display_name = fields.String(required=True, allow_none=True)
    avatar_url = fields.String(required=True, allow_none=True)
    locale = fields.String(required=True, allow_none=True)
    time_zone = fields.String(required=True, allow_none=True)
    leaderboard_opt_in = fields.Boolean(
        required=True, metadata={"description": "Whether public rankings may show the user."}
    )
    totp_enabled = fields.Boolean(required=True, metadata={"description": "Whether a login needs a second factor."})
