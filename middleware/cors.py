"""Which web pages may call the API from a browser."""

from __future__ import annotations

from flask import Flask, request
from flask_cors import CORS

from config import Settings
from middleware.context import ORIGINS
from utils.origins import ACCEPTED, EXPOSED, LOCAL, MAX_AGE, Origins, patterns


def install(app: Flask, settings: Settings) -> None:
    """Allow the origins of the settings; without any, the ones of this machine while the API is only reachable here."""
    app.extensions[ORIGINS] = Origins(settings)
    origins = patterns(settings)
    if not origins:
        return
    CORS(
        app,
        origins=origins,
        methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=list(ACCEPTED),
        expose_headers=list(EXPOSED),
        max_age=MAX_AGE,
    )
    if origins == [LOCAL]:
        # flask-cors goes through its options for every answer, also where nobody asks
        consider = app.after_request_funcs[None].pop()
        app.after_request(lambda response: consider(response) if "HTTP_ORIGIN" in request.environ else response)
