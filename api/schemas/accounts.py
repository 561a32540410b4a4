"""Bodies of accounts."""

from __future__ import annotations

from marshmallow import Schema, fields, validate


class AccountSchema(Schema):
    """An account: a portfolio on one exchange; on paper in this version."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    mode = fields.String(required=True, validate=validate.OneOf(["paper", "live"]))
    exchange = fields.String(required=True)
    type = fields.String(required=True)
    reference_currency = fields.String(required=True)
    status = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(["main", "strategy", "tournament", "bot"]))
    created_at = fields.DateTime(required=True)
