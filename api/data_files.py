"""Uploaded candles of the caller."""

from __future__ import annotations

from typing import Any

from flask import request
from werkzeug.exceptions import UnsupportedMediaType

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.data_files import DataFileSchema, UploadQuery
from api.schemas.envelope import PageQuery
from api.schemas.trading import IdempotencyHeaders
from services.data_files.service import MOST_BYTES, DataFile, NewDataFile
from utils.pages import Page

blueprint = Blueprint("data files", "Candles of one's own, for backtests")

FILES = "/api/backtesting/data"
FILE = f"{FILES}/<file_id>"
TYPES = ("text/csv", "application/vnd.sqlite3", "application/octet-stream")
"""What uploads may say they are; what they are is seen from how they begin."""

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_CSV = {"schema": {"type": "string"}, "example": "timestamp,open,high,low,close,volume\n1764331200,1,2,0.5,1.5,10\n"}
_BODY = {
    "required": True,
    "description": f"At most {MOST_BYTES} bytes: CSV with these columns (times in seconds or milliseconds, the oldest "
    "row first, at most a tenth of the rows missing), or a `.data` file of OctoBot.",
    "content": {"text/csv": _CSV, "application/vnd.sqlite3": _BINARY, "application/octet-stream": _BINARY},
}


@blueprint.route(
    FILES, method="POST", permission="backtests:write", errors=(409, 413, 415), max_body=MOST_BYTES, limit="heavy"
)
@blueprint.arguments(UploadQuery, location="query")
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, DataFileSchema, headers={"Location": {"$ref": "#/components/headers/Location"}})
@blueprint.doc(requestBody=_BODY)
def upload_data_file(new: NewDataFile, headers: dict[str, str | None]) -> tuple[DataFile, int, dict[str, str]]:
    """Upload candles to play backtests on, as `data_file`."""
    file = services.data_files.upload(principal, origin(), new, _content(), headers["key"])
    return file, 201, {"Location": f"{FILES}/{file.id}"}


@blueprint.route(FILES, permission="backtests:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, DataFileSchema, paged=True)
def list_data_files(query: dict[str, Any]) -> Page[DataFile]:
    """List the caller's uploads, the newest first."""
    return services.data_files.list(principal, **query)


@blueprint.route(FILE, permission="backtests:read")
@blueprint.response(200, DataFileSchema)
def get_data_file(file_id: str) -> DataFile:
    """Return the description of an upload."""
    return services.data_files.get(principal, file_id)


@blueprint.route(FILE, method="DELETE", permission="backtests:write", errors=(409,))
@blueprint.response(200, DataFileSchema)
def delete_data_file(file_id: str) -> DataFile:
    """Delete an upload; the reports of backtests that were played on it stay."""
    return services.data_files.delete(principal, origin(), file_id)


def _content() -> bytes:
    """Return the body. :raises UnsupportedMediaType: it says that it is something else than candles."""
    if request.mimetype not in TYPES:
        raise UnsupportedMediaType
    return request.get_data(cache=False)
