"""Find out who is calling. Whether they may is decided later, so that refused calls are counted against them too."""

from __future__ import annotations

from flask import Flask, g, request

from middleware.context import services
from middleware.permissions import PUBLIC, required
from services.principals import Principal
from utils.errors import TradingError, Unauthenticated

API_KEY = "X-API-Key"


def install(app: Flask) -> None:
    """Set `g.principal`, or `g.auth_error` with the reason why there is none."""

    @app.before_request
    def authenticate() -> None:
        if required() in {None, PUBLIC}:
            return
        try:
            g.principal = _principal()
        except TradingError as error:
            g.auth_error = error


def _principal() -> Principal | None:
    token, key = bearer_token(request.headers.get("Authorization")), request.headers.get(API_KEY)
    if key is None:
        return services.sessions.principal(token) if token is not None else None
    if token is not None:
        raise Unauthenticated(f"Send either an access token or {API_KEY}, not both.", code="token_invalid")
    return services.api_keys.principal(key)


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
