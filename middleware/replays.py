"""Tell an answer that is repeated for an `Idempotency-Key` from a first one."""

from __future__ import annotations

from flask import Flask, Response, request

from utils import replays
from utils.origins import REPLAYED


def install(app: Flask) -> None:
    """Say with a header that the key of a request had come before; nothing is said of a first one."""

    @app.before_request
    def begin() -> None:
        if "HTTP_IDEMPOTENCY_KEY" in request.environ:
            replays.begin()

    @app.after_request
    def tell(response: Response) -> Response:
        if "HTTP_IDEMPOTENCY_KEY" in request.environ and replays.is_marked():
            response.headers[REPLAYED] = "true"
        return response
