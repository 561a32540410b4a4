"""Announcements of administrators to all users."""

from __future__ import annotations

from typing import Any

from api.blueprint import Blueprint
from api.context import origin, principal, services
from api.schemas.announcements import AnnouncementSchema, NewAnnouncementSchema
from api.schemas.envelope import PageQuery
from api.schemas.trading import IdempotencyHeaders
from services.notifications.announcements import Announcement, NewAnnouncement
from utils.pages import Page

blueprint = Blueprint("announcements", "What administrators tell every user")

ANNOUNCEMENTS = "/api/admin/announcements"


@blueprint.route(ANNOUNCEMENTS, method="POST", permission="users:write")
@blueprint.arguments(NewAnnouncementSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(202, AnnouncementSchema)
def announce(new: NewAnnouncement, headers: dict[str, str | None]) -> tuple[Announcement, int]:
    """Send an announcement to every active user, once and in the ways they chose; it is done in the background."""
    return services.announcements.create(principal, origin(), new, headers["key"]), 202


@blueprint.route(ANNOUNCEMENTS, permission="users:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, AnnouncementSchema, paged=True)
def list_announcements(query: dict[str, Any]) -> Page[Announcement]:
    """List announcements, newest first, and how many users have got each so far."""
    return services.announcements.list(**query)
