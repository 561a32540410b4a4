"""The caller's notifications, and how they want to be notified."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.notifications import (
    ChosenWaysSchema,
    NotificationQuery,
    NotificationSchema,
    ReadSchema,
    UnreadSchema,
    WaysSchema,
)
from services.notifications.notifications import Notification, Ways
from utils.pages import Page

blueprint = Blueprint("notifications", "What users are told")

NOTIFICATIONS = "/api/notifications"


@blueprint.route(NOTIFICATIONS, permission="notifications:read")
@blueprint.arguments(NotificationQuery, location="query")
@blueprint.response(200, NotificationSchema, paged=True)
def list_notifications(query: dict[str, Any]) -> Page[Notification]:
    """List the caller's notifications of the last 30 days, newest first."""
    return services.notifications.list(principal, **query)


@blueprint.route(f"{NOTIFICATIONS}/unread", permission="notifications:read")
@blueprint.response(200, UnreadSchema)
def count_unread_notifications() -> dict[str, int]:
    """Count the caller's unread notifications."""
    return {"unread": services.notifications.unread(principal)}


@blueprint.route(f"{NOTIFICATIONS}/read", method="POST", permission="notifications:write")
@blueprint.arguments(ReadSchema)
@blueprint.response(200, UnreadSchema)
def read_notifications(chosen: dict[str, list[str] | None]) -> dict[str, int]:
    """Mark notifications as read, all of them without `ids`; return how many are unread then."""
    return {"unread": services.notifications.read(principal, chosen["ids"])}


@blueprint.route(f"{NOTIFICATIONS}/settings", permission="notifications:read")
@blueprint.response(200, WaysSchema, many=True)
def get_notification_settings() -> list[Ways]:
    """Return in which ways the caller gets each kind of notification."""
    return services.notifications.ways(principal)


@blueprint.route(f"{NOTIFICATIONS}/settings", method="PUT", permission="notifications:write")
@blueprint.arguments(ChosenWaysSchema)
@blueprint.response(200, WaysSchema, many=True)
def choose_notification_settings(chosen: dict[str, list[Ways]]) -> list[Ways]:
    """Choose in which ways the caller gets some kinds of notifications; the other kinds stay as they are."""
    return services.notifications.choose(principal, origin(), chosen["settings"])
