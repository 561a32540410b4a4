"""Bodies of API keys."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.auth import MAX_CODE
from api.schemas.fields import NAME
from api.schemas.second_factors import PasswordSchema
from services.principals import SCOPES
from services.users.api_keys import NewApiKey


class NewApiKeySchema(PasswordSchema):
    """A key that is wanted, what it is for, and the password of who wants it."""

    name = fields.String(required=True, validate=NAME, metadata={"example": "My bot"})
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)),
        required=True,
        validate=validate.Length(min=1, max=len(SCOPES)),
        metadata={"description": "`read` sees what is yours, `trade` also trades, `admin` administers all but users."},
    )

    totp = fields.String(
        load_default=None,
        validate=validate.Length(min=1, max=MAX_CODE),
        metadata={"description": "With a second factor: the code of the app, or a recovery code.", "example": "492039"},
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
