"""Everything that happens to a request before and after its view."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from config import Settings
from middleware import (
    auth,
    body,
    compression,
    cors,
    errors,
    headers,
    metrics,
    permissions,
    rate_limits,
    replays,
    request_id,
    request_log,
)


def install(app: Flask, settings: Settings) -> None:
    """Put the middleware around `app`. Before a view it runs in this order, after it the other way round."""
    request_id.install(app)
    request_log.install(app)
    metrics.install(app)
    compression.install(app)
    headers.install(app)
    body.install(app)
    cors.install(app, settings)
    replays.install(app)
    auth.install(app)
    rate_limits.install(app, settings)
    permissions.install(app)
    errors.install(app)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops)  # type: ignore[method-assign]
