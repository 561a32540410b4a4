"""What asks much of an exchange's limits holds no order up, and is asked once."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from engine.exchanges.attempt import noting
from engine.exchanges.client import KeysReplaced, client_class
from engine.live.keys import Keys
from engine.live.outcomes import Refusal, of_failure
from engine.live.trader import Unreachable

READ = 1_000.0
"""The weight of a read: ten seconds at KuCoin."""


async def _pass(client: Any, cost: float, *, urgent: bool) -> None:
    with noting(urgent=urgent):
        await client.throttle(cost)


def test_an_order_does_not_queue_behind_what_is_read() -> None:
    async def scenario() -> None:
        client = client_class("kucoin")()
        reads = [asyncio.create_task(_pass(client, READ, urgent=False)) for _ in range(2)]
        await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait_for(_pass(client, 1.0, urgent=True), 5)
        assert [read.done() for read in reads] == [True, False]
        reads[1].cancel()

    asyncio.run(scenario())


def test_what_is_read_makes_room_for_orders() -> None:
    async def scenario() -> None:
        client = client_class("kucoin")()
        await _pass(client, READ, urgent=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_pass(client, 1.0, urgent=False), 0.1)

    asyncio.run(scenario())


@pytest.mark.parametrize("urgent", [True, False])
def test_what_waits_while_its_keys_are_replaced_is_not_signed_with_others(urgent: bool) -> None:
    async def scenario() -> None:
        client = client_class("binance")({"apiKey": "mine", "secret": "secret"})
        turn, sent = asyncio.Event(), Mock()

        async def wait(_cost: Any) -> None:
            await turn.wait()

        client._express = client.throttler = wait
        client.tokenBucket, client.fetch = {}, sent
        wait.config = {"tokens": 1.0}  # type: ignore[attr-defined]
        with noting(urgent=urgent, key=client.apiKey) as noted:
            waiting = asyncio.create_task(client.private_post_order({"symbol": "BTCUSDT"}))
            await asyncio.sleep(0)
        client.apiKey = "of somebody else"
        turn.set()
        with pytest.raises(KeysReplaced) as error:
            await waiting
        assert not sent.called
        assert of_failure(error.value, noted) == Refusal(code="credential_not_identified", again=True)

    asyncio.run(scenario())


class _Owner:
    """An exchange that tells whose the keys are when it is let."""

    def __init__(self, answer: str | Unreachable) -> None:
        self.answer = answer
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def identity(self) -> str:
        self.asked += 1
        await self.may_answer.wait()
        if isinstance(self.answer, Unreachable):
            raise self.answer
        return self.answer


async def _ask(owner: _Owner, *, times: int) -> tuple[Keys, list[Any]]:
    keys = Keys(Mock(fact=lambda _name, value: value), Mock(), "account")
    keys._version = "new"
    asking = [asyncio.create_task(keys.identify(owner)) for _ in range(times)]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    owner.may_answer.set()
    return keys, await asyncio.gather(*asking, return_exceptions=True)


def test_whose_the_keys_are_is_asked_once_for_all_who_want_to_know() -> None:
    async def scenario() -> None:
        owner = _Owner("owner")
        keys, told = await _ask(owner, times=5)
        assert (told, owner.asked, keys.foreign) == ([None] * 5, 1, False)

    asyncio.run(scenario())


def test_an_exchange_that_does_not_tell_is_asked_once_and_then_anew() -> None:
    async def scenario() -> None:
        owner = _Owner(Unreachable("away"))
        keys, told = await _ask(owner, times=3)
        assert ([type(error) for error in told], owner.asked) == ([Unreachable] * 3, 1)
        owner.answer = "owner"
        await keys.identify(owner)  # type: ignore[arg-type]
        assert (owner.asked, keys.foreign) == (2, False)

    asyncio.run(scenario())
