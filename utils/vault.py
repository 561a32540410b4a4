"""Seal secrets with AES-256-GCM under a ring of keys: the first one seals, all of them open.

A sealed secret is a version byte, a random 96-bit nonce, and the ciphertext with its tag. It is bound to a context,
what it belongs to: moved to another row it does not open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config import key_ring
from utils.errors import NotReady

VERSION = b"\x01"
NONCE_BYTES = 12
UNREADABLE = "credential_unreadable"


class Sealed(NamedTuple):
    """A sealed secret, and the id of the key that opens it."""

    key_id: str
    blob: bytes


class Vault:
    """Hold a ring of 32-byte keys by their ids; the first one seals."""

    def __init__(self, ring: Mapping[str, bytes]) -> None:
        self._ring = {key_id: AESGCM(key) for key_id, key in ring.items()}

    @classmethod
    def of(cls, encryption_keys: str) -> Vault:
        """Build the vault of the setting ENCRYPTION_KEYS; without keys it neither seals nor opens.

        :raises SettingsError: when the setting is malformed or unsafe.
        """
        return cls(key_ring(encryption_keys) if encryption_keys else {})

    @property
    def key_id(self) -> str:
        """Return the id of the key that seals. :raises NotReady: `credential_unreadable` when the ring is empty."""
        for key_id in self._ring:
            return key_id
        raise NotReady("ENCRYPTION_KEYS is empty.", code=UNREADABLE)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ring)

    def seal(self, secret: bytes, context: bytes) -> Sealed:
        """Return `secret` sealed under the first key, bound to `context`. :raises NotReady: the ring is empty."""
        key_id, nonce = self.key_id, os.urandom(NONCE_BYTES)
        return Sealed(key_id, VERSION + nonce + self._ring[key_id].encrypt(nonce, secret, VERSION + context))

    def open(self, sealed: Sealed, context: bytes) -> bytes:
        """Return the secret.

        :raises NotReady: `credential_unreadable` when its key is not in the ring, or it was changed or sealed for
            another context.
        """
        cipher = self._ring.get(sealed.key_id)
        if cipher is None:
            raise NotReady(f"ENCRYPTION_KEYS lacks the key {sealed.key_id}, which sealed this.", code=UNREADABLE)
        start = len(VERSION) + NONCE_BYTES
        version, nonce, ciphertext = sealed.blob[:1], sealed.blob[1:start], sealed.blob[start:]
        try:
            return cipher.decrypt(nonce, ciphertext, version + context)
        except (InvalidTag, ValueError):  # ValueError: too short to have a nonce
            detail = "This was changed since it was sealed, or belongs to another row."
            raise NotReady(detail, code=UNREADABLE) from None
