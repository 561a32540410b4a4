"""Bodies of second factors."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from api.schemas.auth import MAX_CODE
from services.users.passwords import MAX_LENGTH


class PasswordSchema(Schema):
    """The caller's password."""

    password = fields.String(required=True, validate=validate.Length(max=MAX_LENGTH), metadata={"format": "password"})


class CodeSchema(Schema):
    """A code of the authenticator app."""

    totp = fields.String(required=True, validate=validate.Length(min=1, max=MAX_CODE), metadata={"example": "492039"})


class DisablingSchema(PasswordSchema, CodeSchema):
    """The caller's password, and a code of the app or for recovery."""


class EnrollmentSchema(Schema):
    """The secret, as it is typed and as it is shown as a QR code."""

    secret = fields.String(required=True, metadata={"description": "Base32."})
    uri = fields.String(required=True)


class RecoveryCodesSchema(Schema):
    """Codes for when the app is lost, each good for one login."""

    recovery_codes = fields.List(fields.String(), required=True)


class SecondFactorStateSchema(Schema):
    """Whether a login needs a code."""

    enabled = fields.Boolean(required=True)
