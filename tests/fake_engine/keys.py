"""The fake's idempotency keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from utils import replays
from utils.errors import Refused, TradingError
from utils.wire import Actor, Command


class Keys:
    """Remember what came of the commands that had a key."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str], tuple[bytes, Any]] = {}

    def once(self, command: Command, work: Callable[[], Any]) -> Any:
        """Do `work`, or answer as the first time. :raises Refused: the key belongs to another command."""
        if command.idempotency_key is None:
            return work()
        key = (command.actor.user_id, command.idempotency_key)
        body = msgspec.msgpack.encode(msgspec.structs.replace(command, actor=Actor(user_id=""), idempotency_key=None))
        is_first = key not in self._outcomes
        if is_first:
            try:
                outcome = work()
            except TradingError as error:
                outcome = error
            self._outcomes[key] = (body, outcome)
        stored, outcome = self._outcomes[key]
        if stored != body:
            raise Refused("This key was used for another request.", code="idempotency_key_reused")
        if not is_first:
            replays.mark()
        if isinstance(outcome, TradingError):
            raise outcome
        return outcome
