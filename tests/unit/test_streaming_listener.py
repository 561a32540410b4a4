"""The streamer's own port, with a loop that has much else to do."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import Any, cast

import uvloop

from config import Settings
from streaming.listener import Listener
from streaming.tasks import Tasks
from utils.origins import Origins


def test_a_crowd_is_let_in_within_a_few_turns_of_the_loop() -> None:
    crowd, turns = 50, 10

    async def let_in() -> int:
        listener = Listener(cast(Any, None), Origins(Settings()), Tasks())
        port = await listener.start("127.0.0.1", 0)
        with ExitStack() as stack:
            for _ in range(crowd):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(turns):
                await asyncio.sleep(0)
            found = len(listener.silent)
            listener.stop()
            await listener.tasks.cancel()
        return found

    assert uvloop.run(let_in()) == crowd
