"""A user's keys to an exchange, and how they are sealed: bound to the user, the exchange and the row."""

from __future__ import annotations

from dataclasses import dataclass, fields

import msgspec

from utils.vault import Sealed, Vault

HINT_LENGTH = 4


@dataclass(frozen=True, repr=False)
class ApiKeys:
    """What an exchange knows a user by. It shows itself nowhere: neither in a log nor in a traceback."""

    api_key: str
    api_secret: str
    password: str | None = None

    def __repr__(self) -> str:
        return "ApiKeys(***)"

    @property
    def hint(self) -> str:
        """Return what the owner recognises the key by: its last four characters, at most a quarter of it."""
        length = min(HINT_LENGTH, len(self.api_key) // 4)
        return self.api_key[-length:] if length else ""


def seal(vault: Vault, keys: ApiKeys, user_id: str, exchange: str, credential_id: str) -> Sealed:
    """Return `keys` sealed for one row of one user."""
    values = [getattr(keys, field.name) for field in fields(keys)]
    return vault.seal(msgspec.json.encode(values), _context(user_id, exchange, credential_id))


def open(vault: Vault, sealed: Sealed, user_id: str, exchange: str, credential_id: str) -> ApiKeys:
    """Return the keys that `seal` sealed for the same row.

    :raises NotReady: `credential_unreadable` when they belong to another row, or their key is not in the ring.
    """
    values = vault.open(sealed, _context(user_id, exchange, credential_id))
    return ApiKeys(*msgspec.json.decode(values, type=tuple[str, str, str | None]))


def _context(user_id: str, exchange: str, credential_id: str) -> bytes:
    return msgspec.json.encode(["credential", user_id, exchange, credential_id])
