"""One line per request. Neither bodies, nor query strings, nor headers: a secret can be in any of them."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request

_logger = logging.getLogger("access")


def install(app: Flask) -> None:
    """Log every request when its answer is ready; `ms` is the time until then."""

    @app.before_request
    def start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def write(response: Response) -> Response:
        # the rule, not the path: a client chooses the path and could forge lines with it
        route = request.url_rule.rule if request.url_rule else "-"
        # probes ask several times a second, and say nothing new
        level = logging.DEBUG if route.startswith("/health/") else logging.INFO
        if _logger.isEnabledFor(level):
            principal = g.get("principal")
            fields = {
                "request_id": g.request_id,
                "user": principal.user_id if principal else "-",
                "status": response.status_code,
                "ms": round((time.perf_counter() - g.started) * 1000, 1),
            }
            words = (request.method if request.method.isalpha() else "-", route)
            # without looking for the line that logs, as `Logger.log` does
            _logger.handle(_logger.makeRecord("access", level, __file__, 0, "%s %s", words, None, extra=fields))
        return response
