"""The one error body (RFC 9457, plus the members that early clients read)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from utils.errors import FieldError

MIMETYPE = "application/problem+json"


def problem(
    status: int, code: str, detail: str, *, instance: str, request_id: str, fields: tuple[FieldError, ...] = ()
) -> dict[str, Any]:
    """Return the members of a problem.

    :param code: stable snake_case, for programs.
    :param detail: a sentence, for people; never a trace, SQL or a secret.
    :param instance: the path that was asked for; empty when it could not be read.
    """
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        "error": title,
        "message": detail,
        "code": status,
        "details": detail,
        "error_code": code,
        "request_id": request_id,
        "errors": fields,
    }
