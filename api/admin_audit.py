"""The audit log, for administrators."""

from __future__ import annotations

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from api.schemas.audit import AuditEntrySchema, AuditExportQuery, AuditQuery, ChainQuery, ChainReportSchema
from services.operations.audit_log import COLUMNS, AuditFilters, ChainReport, Entry
from utils.pages import Page

blueprint = Blueprint("audit log", "Who did what, from where, with which outcome; for administrators")

AUDIT_LOG = "/api/admin/audit-log"
_EXAMPLE = (
    f"{','.join(COLUMNS)}\r\n01a1f8c8-ff6b-7a40-9c55-4b7e0d1c2f66,1,2026-11-20T12:00:05.586272Z,"
    "01a1f8c8-ff43-76ec-986e-b7593aa97f43,session.started,01a1f8c8-ff4b-7d02-9c1e-2f6b8a90d3c4,done,,192.0.2.7,"
    "01a1f8c8-ff6e-7c04-88b0-97250dbe7be9,\r\n"
)
CSV = {
    "description": "The entries, newest first.",
    "content": {"text/csv": {"schema": {"type": "string"}, "example": _EXAMPLE}},
}


@blueprint.route(AUDIT_LOG, permission="audit:read")
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditEntrySchema, paged=True)
def list_audit_log(filters: AuditFilters) -> Page[Entry]:
    """List entries of the audit log, done and denied, newest first."""
    return services.audit_log.list(filters)


@blueprint.route(f"{AUDIT_LOG}/export", permission="audit:read")
@blueprint.arguments(AuditExportQuery, location="query")
@blueprint.doc(responses={200: CSV})
def export_audit_log(filters: AuditFilters) -> Response:
    """Write the audit log as CSV (RFC 4180)."""
    headers = {"Content-Disposition": 'attachment; filename="audit-log.csv"', "Cache-Control": "no-store"}
    return Response(services.audit_log.export(filters), mimetype="text/csv", headers=headers)


@blueprint.route(f"{AUDIT_LOG}/verification", permission="audit:read")
@blueprint.arguments(ChainQuery, location="query")
@blueprint.response(200, ChainReportSchema)
def verify_audit_log(query: dict[str, int | None]) -> ChainReport:
    """Verify the audit log's hash chain, 20,000 entries at a time; go on with `next` as `after` until it is null."""
    return services.audit_log.verify(query["after"])
