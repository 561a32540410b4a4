"""How often an exchange may be asked, according to its answers."""

from __future__ import annotations

from typing import Any

from utils.wire import RateBudget


def budget(client: Any) -> RateBudget:
    """Return what a client knows of how often its exchange may be asked."""
    headers = {name.lower(): value for name, value in (client.last_response_headers or {}).items()}
    limit = _count(headers, "gw-ratelimit-limit", "x-ratelimit-limit", "ratelimit-limit")
    left = _count(headers, "gw-ratelimit-remaining", "x-ratelimit-remaining", "ratelimit-remaining")
    used = _count(headers, "x-mbx-used-weight-1m")
    if used is None and limit is not None and left is not None:
        used = limit - left
    return RateBudget(interval=float(client.rateLimit) / 1000, used=used, limit=limit)


def _count(headers: dict[str, str], *names: str) -> int | None:
    return next((int(headers[name]) for name in names if headers.get(name, "").isdigit()), None)
