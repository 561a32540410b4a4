"""Idempotency keys: a repeated command is answered with the first one's outcome, and never carried out twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from engine.journal.records import Records, StoredKey
from utils import replays, wire
from utils.errors import EngineFault, idempotency_key_reused

Result = TypeVar("Result")
_NOBODY = wire.Actor(user_id="")


class Claim(NamedTuple):
    """A key that a command under way holds, and what identifies the command; its outcome is stored with both."""

    key: str
    digest: str


class Keys:
    """Let each key of a user be used for one command."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._held: dict[tuple[str, str], asyncio.Future[None]] = {}

    async def once(
        self,
        command: wire.Command,
        work: Callable[[Claim | None], Awaitable[Result]],
        again: Callable[[], Awaitable[Result]] | None = None,
    ) -> Result:
        """Do `work`, or answer with the outcome that is stored for the command's key; the second waits for the first.

        An order is answered as it is now. `work` has to store its outcome with the claim it is given.

        :param again: what answers a repetition, instead of the stored outcome.

        :raises Refused: `idempotency_key_reused` when the key belongs to another command.
        :raises TradingError: the stored refusal.
        """
        if command.idempotency_key is None:
            return await work(None)
        slot = (command.actor.user_id, command.idempotency_key)
        while (first := self._held.get(slot)) is not None:
            await asyncio.shield(first)
        ended = self._held[slot] = asyncio.get_running_loop().create_future()
        try:
            claim = Claim(command.idempotency_key, _digest(command))
            stored = await asyncio.to_thread(self._records.key, *slot)
            if stored is None:
                return await work(claim)
            if stored.request_hash != claim.digest:
                raise idempotency_key_reused()
            replays.mark()
            if again is not None:
                return await again()
            answer: Result = await self._replay(stored, type(command))
            return answer
        finally:
            del self._held[slot]
            ended.set_result(None)

    async def _replay(self, stored: StoredKey, kind: type[wire.Command]) -> Any:
        if stored.fault is not None:
            raise stored.fault.error()
        if stored.answer is not None:
            return msgspec.json.decode(stored.answer, type=wire.ANSWERS[kind])
        order = await asyncio.to_thread(self._records.order, stored.order_id or "")
        if order is None:
            raise EngineFault("The order of this idempotency key is missing.")
        return order


def _digest(command: wire.Command) -> str:
    bare = replace(command, actor=_NOBODY, idempotency_key=None)
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()
