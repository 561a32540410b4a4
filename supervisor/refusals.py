"""Answer what gunicorn refuses before the application sees it, in the one error body that all errors have."""

from __future__ import annotations

import socket

from gunicorn import util

from utils import json
from utils.ids import new_id

_CODES = {400: "malformed_request", 414: "uri_too_long", 431: "headers_too_large", 500: "internal_error"}


def install() -> None:
    """Take the place of gunicorn's own pages, which are HTML and repeat what was sent."""
    util.write_error = write


def write(client: socket.socket, status: int, reason: str, _message: str) -> None:
    """Send the problem; gunicorn closes the connection afterwards."""
    detail = f"The request could not be read: {reason}." if status < 500 else "Something went wrong here."
    request_id = new_id()
    body = json.dumps(
        {
            "type": "about:blank",
            "title": reason,
            "status": status,
            "detail": detail,
            "instance": "",  # what was asked for is not known, or is the very thing that was too long
            "error": reason,
            "message": detail,
            "code": status,
            "details": detail,
            "error_code": _CODES.get(status, reason.lower().replace(" ", "_")),
            "request_id": request_id,
            "errors": [],
        }
    )
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nX-Request-ID: {request_id}\r\nCache-Control: no-store\r\n\r\n"
    )
    util.write_nonblock(client, head.encode("ascii") + body)
