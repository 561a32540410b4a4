"""Bodies and queries of the audit log."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.envelope import PageQuery
from api.schemas.fields import Count
from api.schemas.market import Moment, Word
from services.operations.audit_log import AuditFilters

_MAX = 2**53


def _text(length: int) -> fields.String:
    return fields.String(validate=validate.Length(min=1, max=length))


class _Filters(Schema):
    user_id = _text(36)
    action = _text(64)
    outcome = Word("done", "denied")
    target = _text(128)
    ip = _text(64)
    request_id = _text(64)
    after = Moment(metadata={"description": "Only what was done later."})
    until = Moment(metadata={"description": "Only what was done by then."})


class AuditExportQuery(_Filters):
    """Which entries are wanted."""

    @post_load
    def filters(self, values: dict[str, Any], **_: Any) -> AuditFilters:
        """Return the filters."""
        return AuditFilters(**values)


class AuditQuery(_Filters, PageQuery):
    """Which page of which entries is wanted."""

    @post_load
    def read_cursor(self, values: dict[str, Any], **context: Any) -> Any:
        """Return the filters."""
        return AuditFilters(**super().read_cursor(values, **context))


class ChainQuery(Schema):
    """Where to begin."""

    after = Count(
        load_default=None,
        validate=validate.Range(max=_MAX),
        metadata={"description": "The number of the entry before; the beginning when absent."},
    )


class AuditEntrySchema(Schema):
    """Who did what, to what, from where, with which outcome."""

    id = fields.String(required=True)
    number = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Its place in the chain; null until it is sealed."}
    )
    created_at = fields.DateTime(required=True)
    user_id = fields.String(required=True, allow_none=True)
    action = fields.String(required=True)
    target = fields.String(required=True, allow_none=True)
    outcome = fields.String(required=True, validate=validate.OneOf(["done", "denied"]))
    error_code = fields.String(required=True, allow_none=True)
    ip = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True)
    detail = fields.Dict(required=True, allow_none=True)


class ChainReportSchema(Schema):
    """What was found along a part of the chain."""

    first = fields.Integer(required=True, allow_none=True)
    last = fields.Integer(required=True, allow_none=True)
    entries = fields.Integer(required=True)
    differences = fields.List(fields.String(), required=True, metadata={"description": "Empty when all is well."})
    next = fields.Integer(required=True, allow_none=True, metadata={"description": "Goes into `after`."})
    head = fields.Integer(required=True, metadata={"description": "The number of the last sealed entry."})
    head_seal = fields.String(required=True, metadata={"description": "Its seal; worth keeping elsewhere."})
    unsealed = fields.Integer(required=True, metadata={"description": "Entries that wait for their seal."})
