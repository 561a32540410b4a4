"""Bodies and queries of the administration of users."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from api.schemas.envelope import PageQuery
from api.schemas.fields import Coded
from api.schemas.market import Word
from services.principals import ROLES
from services.users.administration import UserChanges, UserFilters

_FLAG: dict[str, Any] = {"truthy": {True}, "falsy": {False}}


class UserQuery(PageQuery):
    """Which users are wanted."""

    search = fields.String(
        validate=validate.Length(min=1, max=254),
        metadata={"description": "A part of the username or the address, in any case."},
    )
    role = Word(*ROLES)
    is_active = fields.Boolean(truthy={"true"}, falsy={"false"})

    @post_load
    def read_cursor(self, values: dict[str, Any], **context: Any) -> Any:
        """Return the filters."""
        return UserFilters(**super().read_cursor(values, **context))


class UserChangesSchema(Schema):
    """What to change of a user."""

    is_active = fields.Boolean(**_FLAG)
    role = fields.String(validate=validate.OneOf(ROLES))
    reset_totp = fields.Boolean(metadata={"description": "Let them sign in with the password alone."}, **_FLAG)
    end_sessions = fields.Boolean(metadata={"description": "End their sessions and API keys."}, **_FLAG)

    @validates_schema
    def check_any(self, values: dict[str, Any], **_: Any) -> None:
        """Refuse a change of nothing."""
        if not values:
            raise ValidationError(Coded("required", "Send what to change."))

    @post_load
    def changes(self, values: dict[str, Any], **_: Any) -> UserChanges:
        """Return the changes."""
        return UserChanges(**values)


class ManagedUserSchema(Schema):
    """A user as administrators see them."""

    id = fields.String(required=True)
    username = fields.String(required=True)
    email = fields.String(required=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    is_active = fields.Boolean(required=True)
    totp_enabled = fields.Boolean(required=True)
    created_at = fields.DateTime(required=True)
    last_seen_at = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "When they last signed in or refreshed a session."}
    )
    deleted_at = fields.DateTime(required=True, allow_none=True)


class UserDetailsSchema(ManagedUserSchema):
    """A user with what they have open."""

    accounts = fields.Integer(required=True)
    open_orders = fields.Integer(required=True)
    sessions = fields.Integer(required=True)
    api_keys = fields.Integer(required=True)
    kill_switch = fields.Boolean(required=True, metadata={"description": "Whether one of the user holds."})
