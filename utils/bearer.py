"""The `Authorization` header."""

from __future__ import annotations

from utils.errors import Unauthenticated


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
