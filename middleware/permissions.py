"""Who may call which route: each view carries its permission, and only its holders come through."""

from __future__ import annotations

from flask import Flask, current_app, g, request

from middleware.context import caller
from services.principals import PERMISSIONS, SESSION_ONLY
from utils.errors import Forbidden, Unauthenticated

PUBLIC = "public"
"""The permission of routes that everybody may call."""


def check_declared(permission: object, name: str) -> str:
    """Return `permission` when it is one.

    :raises TypeError: when a route declares none, or one that no role could hold.
    """
    if permission is None:
        raise TypeError(f'{name}: declare permission="<resource>:<read|write>" or permission=PUBLIC')
    if not isinstance(permission, str) or (permission != PUBLIC and permission not in PERMISSIONS):
        raise TypeError(f"{name}: {permission!r} is not a permission; services/principals.py lists them")
    return permission


def required() -> str | None:
    """Return the permission of the route that is being called, None when the path leads to none."""
    if request.endpoint is None:
        return None
    view = current_app.view_functions[request.endpoint]
    # a view that came in without api.blueprint declares nothing: it stays closed
    return getattr(view, "permission", "undeclared")


def takes_ticket() -> bool:
    """Tell whether a ticket is as good as a token for the route that is being called."""
    return bool(getattr(current_app.view_functions.get(request.endpoint or ""), "takes_ticket", False))


def install(app: Flask) -> None:
    """Let nobody reach a view without its permission."""

    @app.before_request
    def authorize() -> None:
        permission = required()
        if permission in {None, PUBLIC} or request.method == "OPTIONS":
            return
        if g.get("auth_error") is not None:
            raise g.auth_error
        principal = caller()
        if principal is None:
            raise Unauthenticated("Send an access token: Authorization: Bearer <token>.", code="token_missing")
        if permission not in principal.permissions:
            if principal.key_id is not None and permission in SESSION_ONLY:
                raise Forbidden("No API key may do this; sign in.")
            raise Forbidden(f"This needs the permission {permission}.")
