"""Find out who is calling. Whether they may is decided later, so that refused calls are counted against them too."""

from __future__ import annotations

from flask import Flask, g, request

from middleware.context import services
from middleware.permissions import PUBLIC, required
from utils.bearer import bearer_token
from utils.errors import TradingError


def install(app: Flask) -> None:
    """Set `g.principal`, or `g.auth_error` with the reason why there is none."""

    @app.before_request
    def authenticate() -> None:
        if required() in {None, PUBLIC}:
            return
        try:
            token = bearer_token(request.headers.get("Authorization"))
            if token is None:
                return
            g.principal = services.sessions.principal(token)
            g.expires_at = services.sessions.expires_at(token)
        except TradingError as error:
            g.auth_error = error
