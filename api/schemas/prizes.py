"""Prizes, and what becomes of them."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import DecimalString, invalid
from services.tournaments.awards import PrizeChanges, Status

STATUSES = get_args(Status)
_STATUS = validate.OneOf(STATUSES)
_PRINTABLE = validate.Regexp(r"[^\x00-\x1f\x7f]+\Z", error="Use no control characters.")


class PrizeSchema(Schema):
    """A prize; `user` is the name its winner goes by, `rank` counts those who won something."""

    rank = fields.Integer(required=True)
    user = fields.String(required=True)
    team = fields.String(required=True, allow_none=True)
    amount = DecimalString(required=True)
    currency = fields.String(required=True)
    status = fields.String(required=True, validate=_STATUS)


class OwnPrizeSchema(Schema):
    """A prize of the caller; `reference` is the operator's for the payment."""

    id = fields.String(required=True)
    tournament = fields.String(required=True)
    tournament_name = fields.String(required=True)
    rank = fields.Integer(required=True)
    amount = DecimalString(required=True)
    currency = fields.String(required=True)
    status = fields.String(required=True, validate=_STATUS)
    reference = fields.String(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class ManagedPrizeSchema(OwnPrizeSchema):
    """A prize as administrators see it."""

    user_id = fields.String(required=True)
    username = fields.String(required=True)
    team = fields.String(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)


class PrizeChangesSchema(Schema):
    """What to note of a prize."""

    status = fields.String(validate=_STATUS)
    reference = fields.String(validate=[validate.Length(min=1, max=200), _PRINTABLE])
    note = fields.String(validate=validate.Length(max=500))

    @post_load
    def changes(self, values: dict[str, Any], **_: Any) -> PrizeChanges:
        """Return the changes. :raises ValidationError: when there are none."""
        if not values:
            raise invalid("nothing_to_change", "Name what is to change.")
        return PrizeChanges(**values)
