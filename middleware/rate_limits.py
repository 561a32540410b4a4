"""Rate limits: per user or API key, per address when anonymous; logins per account too. Answers tell what is left."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import time
from typing import Any

from flask import Flask, Response, current_app, g, request
from flask_limiter import ApplicationLimit, Limit, Limiter
from limits.storage import RedisStorage, Storage

from config import Settings
from middleware.context import caller, principal, services
from middleware.leases import Leases, Standing
from middleware.limit_storage import GuardedStorage, SQLiteStorage
from utils import json
from utils.errors import TradingError

ANONYMOUS_PER_MINUTE = 600
LOGINS_PER_MINUTE = 5
ALERTS_PER_MINUTE = 60
HEAVY_PER_MINUTE = 20
MAX_NAME = 254
UNLIMITED = "unlimited"
"""The `limit` of routes that are never refused (a probe of liveness)."""

LOGIN = "login"
"""The `limit` of routes that check a password."""

ALERT = "alert"
"""The `limit` of routes that whoever has a key in the path may call."""

HEAVY = "heavy"
"""The `limit` of routes that keep a thread busy for long."""

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class LeasingLimiter(Limiter):
    """Count the hits of users ahead, while they are far from their limit; all others, and logins, singly."""

    def __init__(self, leases: Leases, **options: Any) -> None:
        super().__init__(**options)
        self._leases = leases

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:
        g.hits = 1
        if _is_anonymous() or _limit() is not None or request.method == "OPTIONS":
            super()._check_request_limit(callable_name, in_middleware)
            return
        counter = _user()
        g.standing = self._leases.use(counter)
        if g.standing is None:
            g.hits = self._leases.size(counter)
            super()._check_request_limit(callable_name, in_middleware)
            standing = self.standing()
            if standing is not None:
                g.standing = self._leases.keep(counter, g.hits, standing)

    def standing(self) -> Standing | None:
        """Return where the caller of the present request stands with the tightest limit it was counted for."""
        tightest = min(self.current_limits, key=lambda one: one.remaining, default=None)
        if tightest is None:
            return None
        return Standing(tightest.limit.amount, tightest.remaining, tightest.window.reset_time)


def install(app: Flask, settings: Settings) -> None:
    """Count every request and refuse those that are too many."""
    if not settings.rate_limit_enabled:
        return
    app.config["RATELIMIT_STORAGE_OPTIONS"] = {"inner": _storage(settings), "closed": _is_write}
    users, logins = f"{settings.rate_limit_per_minute}/minute", f"{LOGINS_PER_MINUTE}/minute"
    limiter = LeasingLimiter(
        Leases(),
        key_func=_address,
        storage_uri=f"{GuardedStorage.STORAGE_SCHEME[0]}://",
        request_identifier=lambda: request.endpoint or "nowhere",  # so that a 404 is counted too
        on_breach=lambda breached: services.metrics.count_refusal(breached.request_args[0].partition(":")[0]),
        application_limits=[
            ApplicationLimit(users, key_function=_user, exempt_when=_is_anonymous, cost=lambda: g.hits),
            ApplicationLimit(f"{ANONYMOUS_PER_MINUTE}/minute", key_function=_address, exempt_when=_is_signed_in),
        ],
        default_limits=[
            Limit(logins, key_function=_address, scope=LOGIN, shared=True, exempt_when=_is_no_login),
            Limit(f"{ALERTS_PER_MINUTE}/minute", key_function=_key, scope=ALERT, shared=True, exempt_when=_is_no_alert),
            Limit(
                f"{HEAVY_PER_MINUTE}/minute", key_function=_user, scope=HEAVY, shared=True, exempt_when=_is_not_heavy
            ),
            Limit(logins, key_function=_login_target, scope=LOGIN, shared=True, exempt_when=_names_nobody),
        ],
    )
    limiter.request_filter(lambda: request.method == "OPTIONS" or _limit() == UNLIMITED)
    limiter.init_app(app)
    # what it does at the end of a request is not used: headers of its own, and emptying what goes with the request
    app.after_request_funcs[None].pop()
    app.teardown_request_funcs[None].pop()

    @app.after_request
    def tell(response: Response) -> Response:
        standing = g.get("standing") or limiter.standing()
        if standing is not None:
            response.headers.add("X-RateLimit-Limit", str(standing.amount))
            response.headers.add("X-RateLimit-Remaining", str(standing.remaining))
            response.headers.add("X-RateLimit-Reset", str(math.ceil(standing.reset)))
            if response.status_code == 429:
                response.headers["Retry-After"] = str(max(math.ceil(standing.reset - time.time()), 1))
        return response


def _storage(settings: Settings) -> Storage:
    if settings.redis_url:
        return RedisStorage(settings.redis_url, socket_timeout=1, socket_connect_timeout=1)
    return SQLiteStorage(settings.data_dir / "rate_limits.db")


def _limit() -> str | None:
    return getattr(current_app.view_functions.get(request.endpoint or ""), "limit", None)


def _is_write() -> bool:
    return request.method not in _READS


def _is_anonymous() -> bool:
    return caller() is None


def _is_signed_in() -> bool:
    return caller() is not None


def _is_no_login() -> bool:
    return _limit() != LOGIN


def _is_no_alert() -> bool:
    return _limit() != ALERT


def _is_not_heavy() -> bool:
    return _limit() != HEAVY or _is_anonymous()


def _key() -> str:
    # a digest: counters are kept in a file
    return f"key:{hashlib.sha256(request.path.encode()).hexdigest()}"


def _names_nobody() -> bool:
    return _is_no_login() or (caller() is None and _login_name() is None)


def _user() -> str:
    return f"user:{principal.user_id}" if principal.key_id is None else f"key:{principal.key_id}"


def _address() -> str:
    return f"ip:{network(request.remote_addr)}"


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


def _login_target() -> str:
    if caller() is not None:
        # Who stole a token shall not find the password out with it. A key is refused later, and counts for itself, so
        # that it cannot lock its owner out.
        return f"account:{principal.user_id}:own" if principal.key_id is None else _user()
    # Strangers share one bucket per account, however many addresses they have. Where the owner has signed in from
    # before there is another one, so that strangers cannot lock the owner out.
    source = services.sessions.source(_login_name() or "", request.remote_addr)
    return f"account:{source.target}:{'known' if source.known else 'strange'}"


def _login_name() -> str | None:
    try:
        body = json.loads(request.get_data())
    except TradingError:
        return None
    name = (body.get("username") or body.get("email")) if isinstance(body, dict) else None
    return name if isinstance(name, str) and len(name) <= MAX_NAME else None
