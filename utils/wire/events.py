"""Account events, as the engine tells them after their commit."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from utils.wire.base import Message

AccountEventType = Literal["order", "trade", "balance", "position", "strategy", "strategy_log", "reset"]


class AccountEvent(Message, frozen=True, kw_only=True, array_like=True):
    """Something that happened to an account; `payload` is the JSON that clients get.

    Ids grow by one per user, also across restarts. After a `reset`, which a restored backup leaves behind and which
    alone may leave ids out, a client has to read everything anew.
    """

    user_id: str
    id: int
    account: str
    type: AccountEventType
    created_at: datetime
    payload: bytes
