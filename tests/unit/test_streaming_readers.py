"""Questions that block, asked from an event loop."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from streaming.readers import Readers
from utils.errors import NotFound, StorageUnavailable


def test_the_answer_and_the_error_come_back() -> None:
    def fail() -> None:
        raise NotFound("nothing there")

    async def ask() -> int:
        readers = Readers(1, "test")
        with pytest.raises(NotFound):
            await readers.ask(fail)
        return await readers.ask(lambda a, b: a + b, 1, b=2)

    assert asyncio.run(ask()) == 3


def test_what_hangs_is_not_waited_for() -> None:
    release = threading.Event()

    async def ask() -> None:
        readers = Readers(1, "test", deadline=0.05)
        with pytest.raises(StorageUnavailable):
            await readers.ask(release.wait, 5)
        release.set()

    asyncio.run(ask())


def test_the_deadline_begins_with_ones_turn() -> None:
    async def ask() -> list[None]:
        readers = Readers(2, "test", deadline=1.0)
        return await asyncio.gather(*(readers.ask(time.sleep, 0.05) for _ in range(60)))  # 1.5 s in all

    assert len(asyncio.run(ask())) == 60


def test_a_loop_that_is_late_itself_still_takes_the_answer() -> None:
    async def ask() -> str:
        readers = Readers(1, "test", deadline=0.05)
        asked = asyncio.create_task(readers.ask(lambda: "answer"))
        await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251 - as when thousands are written to
        return await asked

    assert asyncio.run(ask()) == "answer"
