"""Bodies of webhooks and their deliveries."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class NewWebhookSchema(Schema):
    """An address to be told."""

    url = fields.String(required=True, validate=validate.Length(min=8, max=2048))


class WebhookSchema(Schema):
    """An address that is told."""

    id = fields.String(required=True)
    url = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    secret = fields.String(required=True, allow_none=True, metadata={"description": "Told once, when it is made."})


class DeletedWebhookSchema(Schema):
    """The webhook that is told nothing more."""

    id = fields.String(required=True)


class DeliverySchema(Schema):
    """One thing that a webhook is told, and how telling it went."""

    id = fields.String(required=True, metadata={"description": "It was sent as `X-Webhook-Id`."})
    kind = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["pending", "succeeded", "failed"]))
    attempts = fields.Integer(required=True)
    response_status = fields.Integer(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
