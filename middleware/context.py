"""What belongs to the present request: who is calling, from where, and the services that do the work."""

from __future__ import annotations

from typing import cast

from flask import current_app, g, request
from werkzeug.local import LocalProxy

from services import Services
from services.audit import Origin
from services.principals import Principal
from utils.origins import Origins
from utils.wire import Actor

SERVICES = "trading-services"
"""Key of the services in `app.extensions`."""

ORIGINS = "trading-origins"
"""Key of the allowed origins in `app.extensions`."""

MAX_USER_AGENT = 256


def _services() -> Services:
    return cast(Services, current_app.extensions[SERVICES])


def _principal() -> Principal:
    return cast(Principal, g.principal)


def _origins() -> Origins:
    return cast(Origins, current_app.extensions[ORIGINS])


services: Services = LocalProxy(_services)  # type: ignore[assignment]
"""The services of the present app."""

principal: Principal = LocalProxy(_principal)  # type: ignore[assignment]
"""The caller; only on routes that are not public."""


origins: Origins = LocalProxy(_origins)  # type: ignore[assignment]
"""Which pages may read the present app's answers."""


def caller() -> Principal | None:
    """Return the caller, None when nobody is signed in."""
    return cast(Principal | None, g.get("principal"))


def credential_expires_at() -> float | None:
    """Return when the caller's credential expires (Unix seconds), None when it lasts as long as their session."""
    return cast(float | None, g.get("expires_at"))


def request_id() -> str:
    """Return the id of the present request."""
    return cast(str, g.request_id)


def origin() -> Origin:
    """Return where the present request came from."""
    agent = request.headers.get("User-Agent", "")[:MAX_USER_AGENT]
    known = caller()
    return Origin(
        ip=request.remote_addr,
        user_agent=agent or None,
        request_id=request_id(),
        key_id=known.key_id if known is not None else None,
    )


def actor() -> Actor:
    """Return the caller as the engine writes them to the audit log."""
    return Actor(user_id=principal.user_id, ip=request.remote_addr, request_id=request_id(), key_id=principal.key_id)
