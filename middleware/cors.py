"""Which browsers' pages may call the API."""

from __future__ import annotations

from flask import Flask
from flask_cors import CORS

from config import Settings
from middleware.context import ORIGINS
from utils.origins import ACCEPTED, EXPOSED, MAX_AGE, Origins, patterns


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
