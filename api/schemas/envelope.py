"""The envelope of every answer."""

from __future__ import annotations

from functools import cache
from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import Count
from utils.pages import DEFAULT_LIMIT, MAX_LIMIT, Cursor


class PaginationSchema(Schema):
    """Where in a list a page lies."""

    limit = fields.Integer(required=True)
    has_more = fields.Boolean(required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "Opaque; null at the end."})


class PageQuery(Schema):
    """Which part of a list is wanted."""

    limit = Count(load_default=DEFAULT_LIMIT, validate=validate.Range(min=1, max=MAX_LIMIT))
    cursor = fields.String(
        validate=validate.Length(max=200), metadata={"description": "`next_cursor` of the page before."}
    )

    @post_load
    def read_cursor(self, values: dict[str, object], **_: object) -> dict[str, object]:
        """Turn the cursor into the row it stands for."""
        text = values.pop("cursor", None)
        return {**values, "cursor": Cursor.decode(text) if isinstance(text, str) else None}


class FieldErrorSchema(Schema):
    """One field at fault."""

    field = fields.String(required=True)
    code = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """What went wrong (RFC 9457, plus `error`, `message`, `code` and `details`)."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    error = fields.String(required=True, metadata={"description": "The same as `title`."})
    message = fields.String(required=True, metadata={"description": "The same as `detail`."})
    code = fields.Integer(required=True, metadata={"description": "The same as `status`."})
    details = fields.String(required=True, metadata={"description": "The same as `detail`."})
    error_code = fields.String(required=True, metadata={"description": "Stable; for programs."})
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FieldErrorSchema), required=True)


@cache
def enveloped(schema: type[Schema], *, many: bool = False, paged: bool = False, aged: bool = False) -> type[Schema]:
    """Return the schema of an answer that holds `schema`."""
    name = schema.__name__.removesuffix("Schema")
    members: dict[str, Any] = {
        "success": fields.Boolean(required=True, validate=validate.Equal(True)),
        "data": fields.List(fields.Nested(schema), required=True) if many else fields.Nested(schema, required=True),
    }
    if paged:
        members["pagination"] = fields.Nested(PaginationSchema, required=True)
    if aged:
        members["as_of"] = fields.DateTime(required=True, metadata={"description": "When this was known."})
        members["stale"] = fields.Boolean(
            required=True, metadata={"description": "True: the exchange does not answer; this is what it said last."}
        )
    suffix = "Page" if paged else "List" if many else "Answer"
    return type(f"{name}{suffix}Schema", (Schema,), members)
