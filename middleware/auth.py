"""Find out who is calling. Whether they may is decided later, so that refused calls are counted against them too."""

from __future__ import annotations

from flask import Flask, g, request

from middleware.context import services
from middleware.permissions import PUBLIC, required
from services.principals import Principal
from utils.errors import TradingError, Unauthenticated

SCRAPERS = "metrics:read"
"""The permission of routes that also take the token for metrics."""


def install(app: Flask) -> None:
    """Set `g.principal`, or `g.auth_error` with the reason why there is none."""

    @app.before_request
    def authenticate() -> None:
        if required() in {None, PUBLIC}:
            return
        try:
            token = bearer_token(request.headers.get("Authorization"))
            g.principal = _principal(token) if token is not None else None
        except TradingError as error:
            g.auth_error = error


def _principal(token: str) -> Principal:
    scraper = services.metrics.scraper(token) if required() == SCRAPERS else None
    return scraper or services.sessions.principal(token)


def bearer_token(header: str | None) -> str | None:
    """Return the token of an `Authorization` header, None without a header.

    :raises Unauthenticated: `token_invalid` when the header is of another scheme or shape.
    """
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token or not token.isascii() or " " in token:
        raise Unauthenticated("Use the header Authorization: Bearer <token>.", code="token_invalid")
    return token
