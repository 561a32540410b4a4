"""Bodies of e-mail addresses and mails."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from services.notifications.mail_addresses import DIGITS
from services.notifications.notifications import KINDS


class MailStateSchema(Schema):
    """Where the caller is told by e-mail."""

    email = fields.String(required=True, metadata={"description": "The address of the caller's profile."})
    is_confirmed = fields.Boolean(required=True, metadata={"description": "Nothing is sent to it before."})
    is_available = fields.Boolean(required=True, metadata={"description": "Whether this installation sends mail."})


class MailCodeSchema(Schema):
    """The code that was sent to an address."""

    code = fields.String(required=True, validate=validate.Regexp(rf"[0-9]{{{DIGITS}}}\Z"))


class MailDeliverySchema(Schema):
    """One thing that the caller was told by e-mail, and how that went."""

    id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf([*KINDS, "test"]))
    title = fields.String(required=True)
    mail_id = fields.String(required=True, allow_none=True, metadata={"description": "The mail that it is a part of."})
    state = fields.String(required=True, validate=validate.OneOf(["pending", "succeeded", "failed"]))
    attempts = fields.Integer(required=True)
    error = fields.String(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
