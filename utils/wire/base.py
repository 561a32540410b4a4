"""The base of all messages."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every noun."""


class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of everything the API asks of the engine."""


class Actor(Message, frozen=True, kw_only=True):
    """Who asks, for the audit log: the user, with which API key if any, and where the request came from."""

    user_id: str
    ip: str | None = None
    request_id: str | None = None
    key_id: str | None = None


class Command(Request, frozen=True, kw_only=True):
    """Base of the requests that change something; `actor` goes to the audit log.

    With `idempotency_key` a repetition is answered with the first one's outcome.
    """

    actor: Actor
    account: str
    idempotency_key: str | None = None
