"""Bodies of exchange credentials: secrets go in and never come out."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate

from api.schemas.fields import NAME, Coded
from services.accounts.credentials import NewCredential, Replacement
from utils.credentials import ApiKeys

_KEY = validate.Regexp(
    r"[\x21-\x7e]{8,256}\Z", error=Coded("invalid_api_key", "Use 8 to 256 printable ASCII characters without spaces.")
)
_SECRET = validate.Regexp(
    r"[\x20-\x7e\r\n]{8,8192}\Z",
    error=Coded("invalid_api_secret", "Use 8 to 8192 printable ASCII characters; a PEM key may have several lines."),
)
_PASSWORD = validate.Regexp(
    r"[^\x00-\x1f\x7f]{1,256}\Z", error=Coded("invalid_password", "Use 1 to 256 characters, none of them a control.")
)
_EXCHANGE = validate.Regexp(r"[A-Za-z0-9]{2,32}\Z", error="Use the name that ccxt gives the exchange.")


class KeysSchema(Schema):
    """What an exchange knows its user by."""

    api_key = fields.String(required=True, validate=_KEY, load_only=True)
    api_secret = fields.String(required=True, validate=_SECRET, load_only=True, metadata={"format": "password"})
    password = fields.String(
        validate=_PASSWORD,
        load_only=True,
        allow_none=True,
        metadata={"format": "password", "description": "The passphrase of the key, where the exchange has one."},
    )

    def keys(self, values: dict[str, Any]) -> ApiKeys:
        """Take the keys out of `values`."""
        return ApiKeys(values.pop("api_key"), values.pop("api_secret"), values.pop("password", None))


class NewCredentialSchema(KeysSchema):
    """Keys to an exchange, under a name of one's own."""

    name = fields.String(required=True, validate=NAME, metadata={"example": "My Binance"})
    exchange = fields.String(required=True, validate=_EXCHANGE, metadata={"example": "binance"})

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> NewCredential:
        """Return the command."""
        keys = self.keys(values)
        return NewCredential(name=values["name"], exchange=values["exchange"].lower(), keys=keys)


class ReplacementSchema(KeysSchema):
    """Keys that take the place of others."""

    name = fields.String(validate=NAME)

    @post_load
    def command(self, values: dict[str, Any], **_: Any) -> Replacement:
        """Return the command."""
        return Replacement(keys=self.keys(values), name=values.get("name"))


class CredentialNameSchema(Schema):
    """Another name for keys."""

    name = fields.String(required=True, validate=NAME, metadata={"example": "My other Binance"})


class CredentialSchema(Schema):
    """Keys to an exchange, of which nothing but the end of the key is told."""

    id = fields.String(required=True)
    name = fields.String(required=True)
    exchange = fields.String(required=True)
    key_hint = fields.String(required=True, metadata={"description": "The end of the key, at most a quarter of it."})
    permissions = fields.List(
        fields.String(validate=validate.OneOf(["read", "trade", "futures", "withdraw"])),
        required=True,
        allow_none=True,
        metadata={"description": "What the exchange lets the keys do; null until it was asked."},
    )
    status = fields.String(required=True, validate=validate.OneOf(["unverified", "verified", "failed"]))
    error_code = fields.String(required=True, allow_none=True, metadata={"description": "Why verifying failed."})
    verified_at = fields.DateTime(required=True, allow_none=True)
    created_at = fields.DateTime(required=True)
