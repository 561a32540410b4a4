"""The caller's settings."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.settings import DEFAULTS, UserSettingsSchema, told
from services.notifications.notifications import Ways

blueprint = Blueprint("settings", "What a user's screens look like, and what they are told of")


@blueprint.route("/api/settings", permission="profile:read")
@blueprint.response(200, UserSettingsSchema)
def get_settings() -> dict[str, Any]:
    """Return the caller's settings, with the defaults of what they have not set."""
    return told(*services.user_settings.get(principal, DEFAULTS))


@blueprint.route("/api/settings", method="PUT", permission="profile:write")
@blueprint.arguments(UserSettingsSchema)
@blueprint.response(200, UserSettingsSchema)
def put_settings(wanted: tuple[dict[str, Any], list[Ways]]) -> dict[str, Any]:
    """Replace the caller's settings; absent ones get their defaults, except for notifications, which stay."""
    return told(*services.user_settings.put(principal, origin(), *wanted))
