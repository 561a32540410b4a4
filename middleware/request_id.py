"""Give every request an id: the client's when it is sane, else a fresh one; the answer carries it."""

from __future__ import annotations

import re

from flask import Flask, Response, g, request

from utils import ids

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def install(app: Flask) -> None:
    """Set `g.request_id` before anything else happens to a request."""

    @app.before_request
    def choose() -> None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        g.request_id = given if _SANE.fullmatch(given) else ids.new_id()

    @app.after_request
    def echo(response: Response) -> Response:
        response.headers.add(HEADER, g.request_id)
        return response
