"""Find out who is calling. Whether they may is decided later, so that refused calls are counted against them too."""

from __future__ import annotations

from flask import Flask, g, request

from middleware.context import services
from middleware.permissions import PUBLIC, required, takes_ticket
from utils.bearer import bearer_token
from utils.errors import TradingError, Unauthenticated

API_KEY = "X-API-Key"
SCRAPERS = "metrics:read"
"""The permission of routes that also take the token for metrics."""


def is_websocket() -> bool:
    """Tell whether the request opens a WebSocket."""
    return request.url_rule is not None and request.url_rule.websocket


def install(app: Flask) -> None:
    """Set `g.principal`, or `g.auth_error` with the reason why there is none."""

    @app.before_request
    def authenticate() -> None:
        if required() in {None, PUBLIC}:
            return
        try:
            token, key = bearer_token(request.headers.get("Authorization")), request.headers.get(API_KEY)
            if key is not None:
                if token is not None or (takes_ticket() and "ticket" in request.args):
                    raise Unauthenticated(f"Send a token, a ticket or {API_KEY}, one of them.", code="token_invalid")
                g.principal = services.api_keys.principal(key)
            elif token is not None and required() == SCRAPERS:
                g.principal = services.metrics.scraper(token) or services.sessions.principal(token)
            elif token is not None:
                g.principal = services.sessions.principal(token)
                g.expires_at = services.sessions.expires_at(token)
            elif takes_ticket() and "ticket" in request.args:
                g.principal = services.tickets.redeem(request.args["ticket"], for_websocket=is_websocket())
        except TradingError as error:
            g.auth_error = error
