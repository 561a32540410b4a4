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
        here, asked = g._get_current_object(), request._get_current_object()  # each look through them costs
        # the rule, not the path: a client chooses the path and could forge lines with it
        route = asked.url_rule.rule if asked.url_rule else "-"
        # probes ask several times a second, and say nothing new
        level = logging.DEBUG if route.startswith("/health/") else logging.INFO
        if _logger.isEnabledFor(level):
            principal = here.get("principal")
            fields = {
                "request_id": here.request_id,
                "user": principal.user_id if principal else "-",
                "status": response.status_code,
                "ms": round((time.perf_counter() - here.started) * 1000, 1),
            }
            words = (asked.method if asked.method.isalpha() else "-", route)
            # without looking for the line that logs, as `Logger.log` does
            _logger.handle(_logger.makeRecord("access", level, __file__, 0, "%s %s", words, None, extra=fields))
        return response
