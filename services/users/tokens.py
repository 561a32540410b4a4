"""Access and refresh tokens: signed JWTs (HS256), told apart by their `type`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import jwt

from utils import clock
from utils.errors import Unauthenticated

ISSUER = "trading-backend"
AUDIENCE = "trading-backend-api"
ALGORITHM = "HS256"
ACCESS_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(days=30)
"""A session ends this long after the sign-in, however often it is refreshed."""

LEEWAY = timedelta(seconds=5)
"""How far the clocks of two servers may lie apart."""

MAX_LENGTH = 4096
CACHE_SIZE = 10_000
"""How many tokens are remembered as genuine: verifying one costs more than the rest of a request's checks."""

_COMMON_CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti", "type", "sid")
_REQUIRED = {"access": [*_COMMON_CLAIMS, "is_admin"], "refresh": [*_COMMON_CLAIMS]}

Kind = Literal["access", "refresh"]
LIFETIMES: dict[Kind, timedelta] = {"access": ACCESS_LIFETIME, "refresh": SESSION_LIFETIME}
"""No token is good for longer, whatever it says."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a genuine token says. Rights are not taken from here but looked up."""

    user_id: str
    session_id: str
    token_id: str


class Tokens:
    """Sign and read the tokens of one installation."""

    def __init__(self, secret: str) -> None:
        self._key = secret.encode()
        self._genuine: dict[tuple[Kind, str], tuple[int, Claims]] = {}

    def access(self, claims: Claims, *, is_admin: bool) -> str:
        """Sign an access token that is good for `ACCESS_LIFETIME`."""
        return self._sign("access", claims, clock.now() + ACCESS_LIFETIME, is_admin=is_admin)

    def refresh(self, claims: Claims, *, expires_at: datetime) -> str:
        """Sign the refresh token whose row has the id `claims.token_id`."""
        return self._sign("refresh", claims, expires_at)

    def read(self, token: str, kind: Kind) -> Claims:
        """Return the claims of a genuine, present token of `kind`.

        :raises Unauthenticated: `token_expired` when it was genuine once, else `token_invalid`.
        """
        expires, claims = self._read(token, kind)
        if expires + LEEWAY.total_seconds() <= time.time():
            raise _expired()
        return claims

    def expires_at(self, access_token: str) -> float:
        """Return until when a genuine access token is taken (Unix seconds). :raises Unauthenticated: see `read`."""
        return self._read(access_token, "access")[0] + LEEWAY.total_seconds()

    def _read(self, token: str, kind: Kind) -> tuple[int, Claims]:
        kept = self._genuine.get((kind, token))
        if kept is None:
            kept = self._verify(token, kind)
            if len(self._genuine) >= CACHE_SIZE:
                self._genuine.clear()
            self._genuine[kind, token] = kept
        return kept

    def _verify(self, token: str, kind: Kind) -> tuple[int, Claims]:
        """Return when the token expires (Unix seconds), and its claims."""
        if len(token) > MAX_LENGTH:
            raise _invalid()
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY,
                options={"require": _REQUIRED[kind], "strict_aud": True},
            )
        except jwt.ExpiredSignatureError:
            raise _expired() from None
        except (jwt.InvalidTokenError, ValueError, RecursionError, OverflowError):
            # beyond PyJWT's own errors: headers and claims are an attacker's JSON
            raise _invalid() from None
        if not _is_ours(claims, kind):
            raise _invalid()
        return claims["exp"], Claims(user_id=claims["sub"], session_id=claims["sid"], token_id=claims["jti"])

    def _sign(self, kind: Kind, claims: Claims, expires_at: datetime, **more: bool) -> str:
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": claims.user_id,
            "iat": clock.now(),
            "exp": expires_at,
            "jti": claims.token_id,
            "type": kind,
            "sid": claims.session_id,
            **more,
        }
        return jwt.encode(payload, self._key, algorithm=ALGORITHM)


def _is_ours(claims: dict[str, Any], kind: Kind) -> bool:
    """Tell whether the claims are of the kind and the shape that `_sign` writes."""
    texts = [claims["sub"], claims["sid"], claims["jti"]]
    times = [claims["iat"], claims["exp"]]
    return (
        claims["type"] == kind
        and all(isinstance(text, str) and text.isascii() and text.isprintable() and text for text in texts)
        and all(isinstance(time, int) for time in times)
        and claims["exp"] - claims["iat"] <= LIFETIMES[kind].total_seconds()
        and (kind != "access" or isinstance(claims["is_admin"], bool))
    )


def _expired() -> Unauthenticated:
    return Unauthenticated("The token has expired.", code="token_expired")


def _invalid() -> Unauthenticated:
    return Unauthenticated("The token is not valid.", code="token_invalid")
