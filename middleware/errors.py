"""One error body for everything that goes wrong (RFC 9457, plus the members that early clients read)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import werkzeug
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from middleware.body import allowed
from middleware.context import request_id
from utils import json, problems
from utils.errors import FieldError, TradingError
from utils.problems import status_of

__all__ = ["MIMETYPE", "body", "install", "problem", "status_of"]

MIMETYPE = problems.MIMETYPE
_logger = logging.getLogger(__name__)

HTTP_ERRORS = {
    400: ("malformed_request", "The request could not be read."),
    404: ("not_found", "There is nothing at this path."),
    405: ("method_not_allowed", "This path has no such method."),
    413: ("body_too_large", "The body is larger than {} bytes."),
    415: ("unsupported_media_type", "Send the body in a Content-Type that this path takes, such as application/json."),
    429: ("rate_limited", "Too many requests; Retry-After says when to try again."),
}
"""Code and detail of what Flask itself refuses."""


def install(app: Flask) -> None:
    """Answer every exception with a problem."""
    app.register_error_handler(TradingError, _domain_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unforeseen)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    fields: tuple[FieldError, ...] = (),
    retry_after: int | None = None,
) -> Response:
    """Return the answer that tells what went wrong.

    :param code: stable snake_case, for programs.
    :param detail: a sentence, for people; never a trace, SQL or a secret.
    :param retry_after: seconds after which the same request may succeed.
    """
    response = Response(json.dumps(body(status, code, detail, fields=fields)), status, mimetype=MIMETYPE)
    response.headers.update(problems.headers_of(status, code, retry_after))
    return response


def body(status: int, code: str, detail: str, *, fields: tuple[FieldError, ...] = ()) -> dict[str, Any]:
    """Return the members of a problem."""
    return problems.problem(status, code, detail, instance=request.path, request_id=request_id(), fields=fields)


def _domain_error(error: TradingError) -> Response:
    status = status_of(error)
    retry_after = problems.retry_after_of(error, status)
    return problem(status, error.code, error.detail, fields=error.errors, retry_after=retry_after)


def _http_error(error: HTTPException) -> Response | werkzeug.Response:
    if error.code is None or error.code < 400:
        return error.get_response()  # a redirect of the router
    phrase = HTTPStatus(error.code).phrase
    code, detail = HTTP_ERRORS.get(error.code, (phrase.lower().replace(" ", "_"), f"{phrase}."))
    answer = problem(error.code, code, detail.format(allowed()) if error.code == 413 else detail)
    for name, value in error.get_headers():
        if name != "Content-Type":
            answer.headers[name] = value
    return answer


def _unforeseen(error: Exception) -> Response:
    _logger.exception("request %s failed", request_id(), exc_info=error)
    return problem(500, "internal_error", "Something went wrong here. The log tells more under this request_id.")
