"""Who is calling, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

CALLER_SECONDS = 1.0
"""How long a caller who was looked up is taken for unchanged; the process that ends a session forgets it at once."""

CALLERS = 10_000

LOGS = "logs:read"
_USER = frozenset(
    {
        "profile:read",
        "profile:write",
        "api_keys:read",
        "api_keys:write",
        "accounts:read",
        "accounts:write",
        "credentials:read",
        "credentials:write",
        "portfolio:read",
        "orders:read",
        "orders:write",
        "strategies:read",
        "strategies:write",
        "backtests:read",
        "backtests:write",
        "tournaments:read",
        "tournaments:write",
        "market:read",
        "gateway:read",
        "streams:read",
        "notifications:read",
        "notifications:write",
        "webhooks:read",
        "webhooks:write",
    }
)

ROLES: dict[str, frozenset[str]] = {
    "user": _USER,
    "admin": _USER
    | {
        "all_tournaments:write",
        "prizes:read",
        "prizes:write",
        "bot:read",
        "bot:write",
        "config:read",
        "config:write",
        "gateway:write",
        "users:read",
        "users:write",
        LOGS,
        "metrics:read",
        "audit:read",
        "statistics:read",
    },
    "scraper": frozenset({"metrics:read"}),
}
"""What each role may do, as `<resource>:<read|write>`."""

LOG_READERS = frozenset(role for role, held in ROLES.items() if LOGS in held)
"""The roles that may read the log."""

PERMISSIONS = frozenset().union(*ROLES.values())
"""Every permission there is."""

SESSION_ONLY = frozenset(
    {
        *("profile:write", "credentials:write", "api_keys:read", "api_keys:write", "webhooks:write"),
        *("users:write", "config:write"),
    }
)
"""What no API key may do: change users, the bot, how its owner comes in or who is told, or hand over exchange keys."""


def _reads(permissions: frozenset[str]) -> frozenset[str]:
    return frozenset(permission for permission in permissions if permission.endswith(":read"))


_SEEN = _reads(_USER) - SESSION_ONLY
SCOPES: dict[str, frozenset[str]] = {
    "read": _SEEN,
    "trade": _SEEN
    | {
        *("accounts:write", "orders:write", "strategies:write", "backtests:write", "tournaments:write"),
        "notifications:write",
    },
    "admin": ROLES["admin"] - _USER - SESSION_ONLY,
}
"""What an API key may do for each of its scopes, as far as its owner's role may do it."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The caller of a request, as the database knows them now.

    `key_id` and `scopes` are an API key's, None for whoever has signed in; it is a session of its own.
    """

    user_id: str
    username: str
    role: str
    session_id: str
    is_read_only: bool = False
    key_id: str | None = None
    scopes: frozenset[str] | None = None

    @property
    def is_admin(self) -> bool:
        """Tell whether the caller administers the installation; a key does with the scope `admin` alone."""
        return self.role == "admin" and (self.scopes is None or "admin" in self.scopes)

    @property
    def permissions(self) -> frozenset[str]:
        """Return what the caller may do; a role that is not known may do nothing."""
        return _permissions(self.role, self.scopes, self.is_read_only)


@cache
def _permissions(role: str, scopes: frozenset[str] | None, is_read_only: bool) -> frozenset[str]:
    held = ROLES.get(role, frozenset())
    if scopes is not None:
        held &= frozenset().union(*(SCOPES.get(scope, frozenset()) for scope in scopes))
    return _reads(held) if is_read_only else held


SCRAPER = Principal(user_id="scraper", username="scraper", role="scraper", session_id="scraper")
"""Whoever holds the token for metrics; no user."""
