"""Count every request for Prometheus, by the rule of its route: a client chooses the path, and could make up series."""

from __future__ import annotations

import time

from flask import Flask, Response, g, request

from middleware.context import services


def install(app: Flask) -> None:
    """Count answers when they are ready, or the heads of streams."""

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else None
        seconds = time.perf_counter() - g.started
        services.metrics.count_request(route, request.method, response.status_code, seconds)
        return response
