"""Bodies of notifications, and of how users want to be told."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.envelope import PageQuery
from services.notifications.notifications import KINDS, Ways

MOST_IDS = 500


class NotificationQuery(PageQuery):
    """Which notifications are wanted."""

    unread = fields.Boolean(load_default=False, metadata={"description": "Only those that were not read."})


class NotificationSchema(Schema):
    """Something the caller was told."""

    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    title = fields.String(required=True)
    payload = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={"description": "What it is about: a trade, an order, an alert; of a tournament, as `event` says."},
    )
    read_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)


class UnreadSchema(Schema):
    """How many notifications are unread."""

    unread = fields.Integer(required=True)


class ReadSchema(Schema):
    """Which notifications were read."""

    ids = fields.List(
        fields.String(validate=validate.Length(min=1, max=64)),
        load_default=None,
        allow_none=True,
        validate=validate.Length(max=MOST_IDS),
        metadata={"description": "All when absent."},
    )


class WaysSchema(Schema):
    """The ways in which the caller is told of one kind of thing."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    in_app = fields.Boolean(required=True, metadata={"description": "In the list of notifications."})
    webhook = fields.Boolean(required=True, metadata={"description": "By the caller's webhooks."})
    email = fields.Boolean(
        load_default=False, metadata={"description": "At the caller's address, once it is confirmed."}
    )

    bot = fields.Boolean(
        load_default=False, metadata={"description": "By the notifiers of the operator's bot; for administrators."}
    )

    @post_load
    def ways(self, values: dict[str, Any], **_: Any) -> Ways:
        """Return what was chosen."""
        return Ways(**values)


class ChosenWaysSchema(Schema):
    """The ways for some kinds of things."""

    settings = fields.List(
        fields.Nested(WaysSchema), required=True, validate=validate.Length(min=1, max=2 * len(KINDS))
    )
