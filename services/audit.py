"""The audit log: who did what, from where, with which outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import insert
from sqlalchemy.orm import Session

from models import AuditEntry
from utils import clock, ids


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a request came from, and with which API key, if any."""

    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    key_id: str | None = None


SYSTEM = Origin()
"""The installation itself, for changes that no request asked for."""


def record(
    session: Session,
    origin: Origin,
    action: str,
    *,
    user_id: str | None,
    target: str | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Add what was done to the log, in the transaction that does it.

    :param action: `<noun>.<verb in the past>`, such as `user.signed_up`.
    :param target: the id of what was changed; never a secret.
    :param detail: what else is worth knowing; never a secret.
    """
    _add(session, origin, detail, action=action, user_id=user_id, target=target, outcome="done", error_code=None)


def denied(
    session: Session, origin: Origin, action: str, error_code: str, *, user_id: str | None, target: str | None = None
) -> None:
    """Add what was not done, and why, to the log."""
    _add(session, origin, None, action=action, user_id=user_id, target=target, outcome="denied", error_code=error_code)


def _add(session: Session, origin: Origin, detail: dict[str, Any] | None, **values: str | None) -> None:
    told = {**(detail or {}), **({} if origin.key_id is None else {"api_key": origin.key_id})}
    row = insert(AuditEntry).values(
        id=ids.new_id(),
        created_at=clock.now(),
        ip=origin.ip,
        request_id=origin.request_id,
        detail=msgspec.json.encode(told).decode() if told else None,
        **values,
    )
    session.execute(row)
