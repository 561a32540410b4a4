"""The base of all messages."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every noun."""


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of everything the API asks of the engine."""
