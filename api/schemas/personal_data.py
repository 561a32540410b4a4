"""Bodies of what is kept about users."""

from __future__ import annotations

from marshmallow import Schema, fields


class DeletedSchema(Schema):
    """A user who is gone."""

    user_id = fields.String(required=True, metadata={"description": "It stays in the books, as a pseudonym."})
