"""Bodies of signing up and signing in."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate, validates_schema

from api.schemas.fields import invalid
from services.users.email_changes import ChangeEmail
from services.users.passwords import MAX_LENGTH, MIN_LENGTH
from services.users.sessions import ChangePassword, LogIn
from services.users.users import MAX_EMAIL, USERNAME, SignUp

MAX_CODE = 64
_USERNAME = validate.Regexp(
    rf"^{USERNAME.pattern}\Z", error="Use 3 to 64 letters, digits, dots, dashes and underscores."
)


class AddressSchema(Schema):
    """The address of a user."""

    email = fields.Email(
        required=True, validate=validate.Length(max=MAX_EMAIL), metadata={"example": "ada@example.com"}
    )

    @validates_schema
    def check_folded(self, values: dict[str, Any], **_: Any) -> None:
        """Refuse an address that case-folding makes longer than the database takes."""
        if len(values["email"].casefold()) > MAX_EMAIL:
            raise invalid("invalid", "Longer than maximum length 254.", "email")


class SignUpSchema(AddressSchema):
    """Who wants to sign up."""

    username = fields.String(required=True, validate=_USERNAME, metadata={"example": "ada"})
    # its length is checked with the other rules of passwords, so that every fault has its own code
    password = fields.String(
        required=True,
        metadata={
            "minLength": MIN_LENGTH,
            "maxLength": MAX_LENGTH,
            "example": "correct-horse-7-staple",
            "format": "password",
        },
    )

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> SignUp:
        """Return the command."""
        return SignUp(**values)


class UserSchema(Schema):
    """A user."""

    id = fields.String(required=True)
    username = fields.String(required=True)
    email = fields.String(required=True)
    is_admin = fields.Boolean(required=True)
    created_at = fields.DateTime(required=True)


class LogInSchema(Schema):
    """Who signs in: by username or by address."""

    username = fields.String(validate=validate.Length(min=1, max=MAX_EMAIL), metadata={"example": "ada"})
    email = fields.String(validate=validate.Length(min=1, max=MAX_EMAIL))
    password = fields.String(
        required=True,
        validate=validate.Length(max=MAX_LENGTH),
        metadata={"format": "password", "example": "correct-horse-7-staple"},
    )

    totp = fields.String(
        load_default=None,
        validate=validate.Length(min=1, max=MAX_CODE),
        metadata={"description": "With a second factor: the code of the app, or a recovery code.", "example": "492039"},
    )

    @validates_schema
    def check_name(self, values: dict[str, Any], **_: Any) -> None:
        """Require one name."""
        if ("username" in values) == ("email" in values):
            raise invalid("required", "Send either username or email.", "username")

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> LogIn:
        """Return the command."""
        return LogIn(name=values.get("username") or values["email"], password=values["password"], totp=values["totp"])


class TokenPairSchema(Schema):
    """An access token and the refresh token that gets the next one."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True, validate=validate.Equal("Bearer"))
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds the access token is good for."})
    refresh_token = fields.String(required=True, metadata={"description": "Good for one use."})


class RefreshSchema(Schema):
    """The token to exchange."""

    refresh_token = fields.String(required=True, validate=validate.Length(min=1, max=4096))


class ChangePasswordSchema(Schema):
    """The password that holds, and the one that shall."""

    current_password = fields.String(
        required=True,
        validate=validate.Length(max=MAX_LENGTH),
        metadata={"format": "password", "example": "correct-horse-7-staple"},
    )
    new_password = fields.String(
        required=True,
        metadata={
            "minLength": MIN_LENGTH,
            "maxLength": MAX_LENGTH,
            "example": "a-long-lovely-day",
            "format": "password",
        },
    )

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> ChangePassword:
        """Return the command."""
        return ChangePassword(**values)


class ChangeEmailSchema(AddressSchema):
    """The address that shall be, and the caller's password."""

    password = fields.String(
        required=True,
        validate=validate.Length(max=MAX_LENGTH),
        metadata={"format": "password", "example": "correct-horse-7-staple"},
    )
    totp = fields.String(
        load_default=None,
        validate=validate.Length(min=1, max=MAX_CODE),
        metadata={"description": "With a second factor: the code of the app, or a recovery code.", "example": "492039"},
    )

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> ChangeEmail:
        """Return the command."""
        return ChangeEmail(**values)


class SessionSchema(Schema):
    """A session that has not ended."""

    id = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    last_used_at = fields.DateTime(required=True, metadata={"description": "When its tokens were last refreshed."})
    expires_at = fields.DateTime(required=True)
    ip = fields.String(required=True, allow_none=True)
    user_agent = fields.String(required=True, allow_none=True)
    is_current = fields.Boolean(required=True, metadata={"description": "Whether it is the one that asks."})


class SignedOutSchema(Schema):
    """What is left of a session."""

    signed_out = fields.Boolean(required=True)


class TicketSchema(Schema):
    """A ticket for a stream."""

    ticket = fields.String(required=True, metadata={"description": "Good for streams alone, to read."})
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds in which it must be used."})
