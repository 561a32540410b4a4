"""A few threads for questions that block: to SQL and to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from utils.errors import StorageUnavailable

DEADLINE_SECONDS = 6.0
"""Longer than the bridge waits for the engine, and the database for a lock."""


class Readers:
    """Ask on a thread and wait on the loop: for one's turn as long as it takes, for the answer until the deadline."""

    def __init__(self, threads: int, name: str, deadline: float = DEADLINE_SECONDS) -> None:
        self._turns = asyncio.Semaphore(threads)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._deadline = deadline

    async def ask[**Asked, Answer](
        self, question: Callable[Asked, Answer], *args: Asked.args, **options: Asked.kwargs
    ) -> Answer:
        """Return the answer; raises what the question raises.

        :raises StorageUnavailable: the answer did not come in time.
        """
        async with self._turns:
            asked = self._pool.submit(question, *args, **options)
            try:
                async with asyncio.timeout(self._deadline):
                    return await asyncio.wrap_future(asked)
            except TimeoutError:
                if asked.done() and not asked.cancelled():
                    return asked.result()  # it was the loop that was late
                raise StorageUnavailable("The answer did not come in time.", retry_after=1) from None

    def close(self) -> None:
        """Take no more questions."""
        self._pool.shutdown(wait=False, cancel_futures=True)
