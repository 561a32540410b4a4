"""What every error status means, with an example of each."""

from __future__ import annotations

from typing import Any, NamedTuple

from werkzeug.http import HTTP_STATUS_CODES

from api.examples import ORDER


class Problem(NamedTuple):
    """What one status means, and an instance of it."""

    name: str
    description: str
    error_code: str
    detail: str
    path: str = "/api/trading/orders"
    errors: tuple[dict[str, str], ...] = ()


# the web server answers this one, and has a name of its own for it
_TITLES = {414: "URI Too Long"}
_DOUBTFUL = "No answer in time: the outcome is unknown. Repeat with the same `Idempotency-Key`, or look it up."
_MINIMUM = "The amount is below the minimum of 0.00001 BTC."

PROBLEMS: dict[int, Problem] = {
    400: Problem("BadRequest", "The request could not be read.", "malformed_json", "The body is not valid JSON."),
    401: Problem(
        "Unauthorized", "Nobody is known to be calling.", "token_expired", "The token has expired.", "/api/portfolio"
    ),
    403: Problem(
        "Forbidden", "The caller may not do this.", "forbidden", "This needs the permission config:read.", "/api/config"
    ),
    404: Problem(
        "NotFound",
        "It does not exist, or belongs to somebody else.",
        "order_not_found",
        "You have no such order.",
        f"/api/trading/orders/{ORDER}",
    ),
    409: Problem(
        "Conflict",
        "It exists, but its state does not allow this.",
        "order_not_open",
        "The order is filled.",
        f"/api/trading/orders/{ORDER}",
    ),
    412: Problem(
        "PreconditionFailed",
        "It has changed since the caller read it; nothing was done.",
        "config_changed",
        "The configuration is another one by now.",
        "/api/config",
    ),
    413: Problem(
        "ContentTooLarge", "The body is too large.", "body_too_large", "The body is larger than 1048576 bytes."
    ),
    414: Problem(
        "URITooLong",
        "The path with its query is too long.",
        "uri_too_long",
        "The request could not be read: URI Too Long.",
    ),
    415: Problem(
        "UnsupportedMediaType",
        "The body is not JSON.",
        "unsupported_media_type",
        "Send the body as Content-Type: application/json.",
    ),
    422: Problem(
        "Unprocessable",
        "Readable, but against a rule; nothing was changed. `errors` name the fields at fault.",
        "below_min_amount",
        _MINIMUM,
        errors=({"field": "amount", "code": "below_min_amount", "message": _MINIMUM},),
    ),
    429: Problem(
        "TooManyRequests",
        "The rate limit is used up.",
        "rate_limited",
        "Too many requests; Retry-After says when to try again.",
    ),
    500: Problem(
        "InternalServerError",
        "A fault of the API; its log tells more.",
        "internal_error",
        "Something went wrong here. The log tells more under this request_id.",
    ),
    501: Problem(
        "NotImplemented",
        "This installation cannot do it, whoever asks.",
        "streams_need_proxy",
        "Streams need plain HTTP/1.1 here; let a proxy speak TLS, or set STREAM_PORT.",
        "/api/stream/prices",
    ),
    502: Problem("BadGateway", "The engine or the exchange failed.", "engine_fault", "The engine failed."),
    503: Problem(
        "ServiceUnavailable",
        "A part of the installation is away; nothing was done.",
        "engine_unavailable",
        "The engine cannot be reached.",
    ),
    504: Problem("GatewayTimeout", _DOUBTFUL, "engine_timeout", "The engine did not answer in time."),
}


def problem(status: int) -> dict[str, Any]:
    """Return the example of a problem."""
    each, title = PROBLEMS[status], _TITLES.get(status) or HTTP_STATUS_CODES[status]
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": each.detail,
        "instance": each.path,
        "error": title,
        "message": each.detail,
        "code": status,
        "details": each.detail,
        "error_code": each.error_code,
        "request_id": "01a1f8c8-ff6e-7c04-88b0-97250dbe7be9",
        "errors": list(each.errors),
    }
