"""Rate limits: per user, per address when anonymous; logins also per account. Every answer tells what is left."""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from flask import Flask, Response, current_app, g, request
from werkzeug.exceptions import TooManyRequests

from config import Settings
from middleware.context import caller, services
from middleware.limit_storage import RedisCounters, SQLiteStorage, Storage, Window
from utils import json
from utils.errors import Overloaded, TradingError

ANONYMOUS_PER_MINUTE = 600
LOGINS_PER_MINUTE = 5
WINDOW_SECONDS = 60
MAX_NAME = 254
UNLIMITED = "unlimited"
"""The `limit` of routes that are never refused (a probe of liveness)."""

LOGIN = "login"
"""The `limit` of routes that check a password."""

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_logger = logging.getLogger(__name__)


class Limit(NamedTuple):
    """Whose hits are counted together, and how many a window may have."""

    key: str
    amount: int


class Standing(NamedTuple):
    """What the answer tells of the tightest limit."""

    amount: int
    left: int
    ends_at: float


def install(app: Flask, settings: Settings) -> None:
    """Count every request, of whatever path, and refuse those that are too many."""
    if not settings.rate_limit_enabled:
        return
    storage = _storage(settings)

    @app.before_request
    def count() -> None:
        limit = _limit()
        if request.method == "OPTIONS" or limit == UNLIMITED:
            return
        tightest: Standing | None = None
        for key, amount in _limits(limit, settings.rate_limit_per_minute):
            window = _hit(storage, key)
            left = max(amount - window.hits, 0)
            if tightest is None or left < tightest.left:
                tightest = Standing(amount, left, window.ends_at)
            if window.hits > amount:
                g.rate_limit = tightest
                raise TooManyRequests
        g.rate_limit = tightest

    @app.after_request
    def tell(response: Response) -> Response:
        tightest: Standing | None = g.get("rate_limit")
        if tightest is not None:
            response.headers.add("X-RateLimit-Limit", str(tightest.amount))
            response.headers.add("X-RateLimit-Remaining", str(tightest.left))
            response.headers.add("X-RateLimit-Reset", str(math.ceil(tightest.ends_at)))
            if response.status_code == 429:
                response.headers["Retry-After"] = str(max(math.ceil(tightest.ends_at - time.time()), 1))
        return response


def _storage(settings: Settings) -> Storage:
    if settings.redis_url:
        return RedisCounters(settings.redis_url)
    return SQLiteStorage(settings.data_dir / "rate_limits.db")


def _limits(limit: str | None, per_user: int) -> Iterator[Limit]:
    """Yield what the present request counts for, one by one: what follows a refusal is not counted."""
    principal = caller()
    address = f"ip:{network(request.remote_addr)}" if principal is None or limit == LOGIN else ""
    if principal is None:
        yield Limit(address, ANONYMOUS_PER_MINUTE)
    else:
        yield Limit(f"user:{principal.user_id}", per_user)
    if limit == LOGIN:
        yield Limit(f"{LOGIN}:{address}", LOGINS_PER_MINUTE)
        name = _login_name()
        if name is not None:
            yield Limit(f"{LOGIN}:{_login_target(name)}", LOGINS_PER_MINUTE)


def _hit(storage: Storage, key: str) -> Window:
    """Count a hit. When that fails, a write must not go uncounted, and a read goes on.

    :raises Overloaded: `limits_unavailable`.
    """
    try:
        return storage.hit(key, WINDOW_SECONDS)
    except storage.faults:
        _logger.exception("the storage of the rate limits failed")
        if request.method not in _READS:
            raise Overloaded("Rate limits cannot be checked now.", code="limits_unavailable", retry_after=1) from None
        return Window(1, time.time())


def _limit() -> str | None:
    return getattr(current_app.view_functions.get(request.endpoint or ""), "limit", None)


def network(address: str | None) -> str:
    """Return what one customer of a provider can choose an address from: IPv4 as it is, of IPv6 the /64."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _login_target(name: str) -> str:
    # Strangers share one bucket per account, however many addresses they have. Where the owner has signed in from
    # before there is another one, so that strangers cannot lock the owner out.
    source = services.sessions.source(name, request.remote_addr)
    return f"account:{source.target}:{'known' if source.known else 'strange'}"


def _login_name() -> str | None:
    try:
        body = json.loads(request.get_data())
    except TradingError:
        return None
    name = (body.get("username") or body.get("email")) if isinstance(body, dict) else None
    return name if isinstance(name, str) and len(name) <= MAX_NAME else None
