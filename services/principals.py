"""Who is calling, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass

_USER = frozenset(
    {
        "profile:read",
        "profile:write",
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
        "market:read",
        "gateway:read",
        "streams:read",
    }
)

ROLES: dict[str, frozenset[str]] = {
    "user": _USER,
    "admin": _USER | {"config:read", "config:write", "users:read", "users:write", "logs:read", "metrics:read"},
    "scraper": frozenset({"metrics:read"}),
}
"""What each role may do, as `<resource>:<read|write>`."""

_READS = {
    role: frozenset(permission for permission in held if permission.endswith(":read")) for role, held in ROLES.items()
}

PERMISSIONS = frozenset().union(*ROLES.values())
"""Every permission there is."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The caller of a request, as the database knows them now."""

    user_id: str
    username: str
    role: str
    session_id: str
    is_read_only: bool = False

    @property
    def is_admin(self) -> bool:
        """Tell whether the caller administers the installation."""
        return self.role == "admin"

    @property
    def permissions(self) -> frozenset[str]:
        """Return what the caller may do; a role that is not known may do nothing."""
        return (_READS if self.is_read_only else ROLES).get(self.role, frozenset())


SCRAPER = Principal(user_id="scraper", username="scraper", role="scraper", session_id="scraper")
"""Whoever holds the token for metrics; no user."""
