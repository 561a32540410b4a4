"""Exchange keys, as both sides of the bridge speak of them: sealed, always."""

from __future__ import annotations

from typing import Literal

from utils.wire.base import Message, Request

KeyPermission = Literal["read", "trade", "futures", "withdraw"]
"""`trade` is for spot markets."""


class VerifyCredential(Request, frozen=True, kw_only=True):
    """Ask an exchange what the sealed keys of a row are good for."""

    user_id: str
    exchange: str
    credential_id: str
    key_id: str
    sealed: bytes


class CredentialCheck(Message, frozen=True, kw_only=True):
    """What an exchange said of keys: what they may do, or with `error_code` why they cannot be used."""

    permissions: list[KeyPermission] | None
    error_code: str | None = None
