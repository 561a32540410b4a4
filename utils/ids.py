"""Identifiers: UUID version 7 (RFC 9562), which sort by the time they were made."""

from __future__ import annotations

import uuid6


def new_id() -> str:
    """Return a fresh identifier, 36 characters."""
    return str(uuid6.uuid7())
