"""The one error body (RFC 9457, plus the members that early clients read)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from utils import errors
from utils.errors import FieldError, TradingError

MIMETYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="trading"'
RETRY_AFTER = 2
"""Seconds to wait when a part behind the API fails and its error does not know how long."""

STATUSES: dict[type[TradingError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Outdated: 412,
    errors.Refused: 422,
    errors.TooMany: 429,
    errors.Unsupported: 501,
    errors.EngineFault: 502,
    errors.Overloaded: 503,
    errors.StorageUnavailable: 503,
    errors.NotReady: 503,
    errors.StreamerUnavailable: 503,
    errors.EngineUnavailable: 503,
    errors.EngineTimeout: 504,
    errors.ExchangeUnavailable: 502,
    errors.BridgeError: 502,
    TradingError: 500,
}
"""The status of each domain error; a class that is not here has the one of its nearest ancestor."""

_NO_TOKEN = {"token_missing", "invalid_credentials"}
_PASSING = frozenset({502, 503, 504})


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


def status_of(error: TradingError) -> int:
    """Return the HTTP status that tells of `error`."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def headers_of(status: int, code: str, retry_after: int | None) -> dict[str, str]:
    """Return the headers that go with a problem."""
    headers = {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = CHALLENGE if code in _NO_TOKEN else f'{CHALLENGE}, error="invalid_token"'
    return headers


def retry_after_of(error: TradingError, status: int) -> int | None:
    """Return after how many seconds the same request may succeed, None when repeating does not help."""
    return RETRY_AFTER if error.retry_after is None and status in _PASSING else error.retry_after
