"""Which browsers' pages may call the API and open streams."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from config import Settings

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LOCAL = r"^https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?$"
REPLAYED = "Idempotent-Replayed"
"""The header of an answer that was given before to the same `Idempotency-Key`."""

EXPOSED = (
    "Content-Disposition",
    "ETag",
    REPLAYED,
    "X-Request-ID",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Retry-After",
    "Location",
)
"""The headers of an answer that pages of other origins may read."""

ACCEPTED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-API-Key",
    "X-Request-ID",
)
"""The headers that pages of other origins may send."""

MAX_AGE = 600
"""Seconds for which a browser remembers what it may."""


def patterns(settings: Settings) -> list[str]:
    """Return the origins of the settings; without any, those of this machine while only it can reach the API."""
    if settings.cors_origins:
        return list(settings.cors_origins)
    return [LOCAL] if settings.host in LOOPBACK else []


class Origins:
    """Tell which origins are allowed."""

    def __init__(self, settings: Settings) -> None:
        self._patterns = patterns(settings)

    def allows(self, origin: str) -> bool:
        """Tell whether pages of `origin` may read answers."""
        return any(
            re.match(LOCAL, origin, re.IGNORECASE) if allowed == LOCAL else allowed in {"*", origin.lower()}
            for allowed in self._patterns
        )

    def allows_socket(self, origin: str, host: str) -> bool:
        """Tell whether pages of `origin` may open WebSockets, which browsers let everybody try; those of `host` may."""
        if self.allows(origin):
            return True
        try:
            return urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:  # brackets that hold no address
            return False
