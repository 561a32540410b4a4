"""Bodies of API keys."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import NAME
from services.api_keys import NewApiKey
from services.principals import SCOPES


class NewApiKeySchema(Schema):
    """A key that is wanted, and what it is for."""

    name = fields.String(required=True, validate=NAME, metadata={"example": "My bot"})
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)),
        required=True,
        validate=validate.Length(min=1, max=len(SCOPES)),
        metadata={"description": "`read` sees what is yours, `trade` also trades, `admin` administers all but users."},
    )

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> NewApiKey:
        """Return the command."""
        return NewApiKey(**values)


class ApiKeySchema(Schema):
    """A key, without the key itself."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    hint = fields.String(required=True, metadata={"description": "How the key begins."})
    scopes = fields.List(fields.String(validate=validate.OneOf(SCOPES)), required=True)
    created_at = fields.DateTime(required=True)
    last_used_at = fields.DateTime(required=True, allow_none=True, metadata={"description": "To the minute."})


class CreatedApiKeySchema(ApiKeySchema):
    """A new key; `key` is shown this once."""

    key = fields.String(required=True)
