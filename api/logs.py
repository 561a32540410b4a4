"""The log of the installation."""

from __future__ import annotations

from api.blueprint import Blueprint
from api.context import services
from api.schemas.logs import LogRecordQuery, LogRecordSchema
from services.operations.logs import LogRecord, LogWanted

blueprint = Blueprint("logs", "The log of the installation, for admins")


@blueprint.route("/api/logs/", "/api/logs", permission="logs:read")
@blueprint.arguments(LogRecordQuery, location="query")
@blueprint.response(200, LogRecordSchema, many=True)
def list_log_records(wanted: LogWanted) -> list[LogRecord]:
    """Return log records of all processes, the newest first, secrets masked; for admins."""
    return services.logs.read(wanted)
