"""Bodies of announcements."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from services.notifications.announcements import NewAnnouncement

MOST_LETTERS = 5_000
_SAID = validate.Regexp(r"[^\x00]*\S[^\x00]*\Z", error="Say something.")


class NewAnnouncementSchema(Schema):
    """Something to tell every user."""

    title = fields.String(required=True, validate=[validate.Length(min=1, max=200), _SAID])
    message = fields.String(required=True, validate=[validate.Length(min=1, max=MOST_LETTERS), _SAID])

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> NewAnnouncement:
        """Return the command."""
        return NewAnnouncement(**values)


class AnnouncementSchema(Schema):
    """Something that users are told."""

    id = fields.String(required=True)
    title = fields.String(required=True)
    message = fields.String(required=True)
    told = fields.Integer(required=True, metadata={"description": "How many users were told so far."})
    finished_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
