"""Which browsers' pages may call the API."""

from __future__ import annotations

from flask import Flask, request
from flask_cors import CORS

from config import Settings

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LOCAL_ORIGIN = r"^https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?$"
EXPOSED = [
    "X-Request-ID",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Retry-After",
    "Location",
]


def install(app: Flask, settings: Settings) -> None:
    """Allow the origins of the settings; without any, the ones of this machine while the API is only reachable here."""
    origins = list(settings.cors_origins)
    if not origins and settings.host in LOOPBACK:
        origins = [LOCAL_ORIGIN]
    if not origins:
        return
    CORS(
        app,
        origins=origins,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "X-API-Key",
            "X-Request-ID",
        ],
        expose_headers=EXPOSED,
        max_age=600,
    )
    if origins == [LOCAL_ORIGIN]:
        # flask-cors goes through its options for every answer, also where nobody asks
        consider = app.after_request_funcs[None].pop()
        app.after_request(lambda response: consider(response) if "HTTP_ORIGIN" in request.environ else response)
