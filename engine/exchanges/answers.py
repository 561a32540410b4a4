"""Answers of one exchange, shared: whoever asks the same meanwhile gets the same answer, and one that failed is not
asked again at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any

import ccxt

from engine.exchanges import attempt
from engine.exchanges.breaker import Breaker
from engine.exchanges.failures import unavailable
from utils.errors import EngineUnavailable, ExchangeUnavailable

AT_ONCE = 4
"""Questions under way at a time: prices are read over the same line, and must not wait behind hundreds of others."""
TURN_SECONDS = 1.0
ANSWER_SECONDS = 3.5
"""How long a question may wait for its turn, and then for its answer: together less than whoever asks waits."""
FAILURES = 5
OPEN_SECONDS = 5.0
MOST_WEIGHT = 50_000
"""Candles, offers, trades and options that are kept in all, about 50 MB of them."""
_FAULTS = (ccxt.BaseError, TimeoutError, LookupError, TypeError, ValueError, ArithmeticError)


@dataclass(frozen=True)
class Answer:
    """What an exchange said at `at` (Unix seconds); `stale` when it could not be asked again since."""

    value: Any
    at: float
    stale: bool = False


@dataclass(frozen=True)
class Terms:
    """How long an answer is good: `fresh` seconds for everybody, `told` seconds while the exchange does not answer."""

    fresh: float
    told: float


@dataclass
class _Kept:
    answer: Answer
    weight: int
    good_until: float


class Answers:
    """Ask an exchange each question once at a time; to be used on one event loop."""

    def __init__(self, exchange: str, clock: Callable[[], float]) -> None:
        self._exchange = exchange
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._weight = 0
        self._pending: dict[Hashable, asyncio.Task[Answer]] = {}
        self._breaker = Breaker(exchange, FAILURES, OPEN_SECONDS)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def ask(
        self,
        question: Hashable,
        read: Callable[[], Awaitable[Any]],
        terms: Terms,
        weigh: Callable[[Any], int] = lambda _value: 1,
    ) -> Answer:
        """Return the answer to `question`: one that is fresh, the one that is under way, or what `read` finds.

        When the exchange fails, its last answer is told as stale if it is not too old for that.

        :raises EngineUnavailable: the exchange is left alone for a moment, or too much is asked of it at once.
        :raises ExchangeUnavailable: it failed.
        """
        kept = self._kept.get(question)
        if kept is not None and time.monotonic() < kept.good_until:
            self._kept.move_to_end(question)
            return kept.answer
        task = self._pending.get(question)
        if task is None:
            task = asyncio.create_task(self._read(question, read, terms, weigh))
            self._pending[question] = task
            task.add_done_callback(lambda _task: self._pending.pop(question, None))
        try:
            # who gives up does not take the answer away from the others
            return await asyncio.shield(task)
        except (EngineUnavailable, ExchangeUnavailable):
            if kept is not None and self._clock() - kept.answer.at <= terms.told:
                return Answer(kept.answer.value, kept.answer.at, stale=True)
            raise

    async def close(self) -> None:
        """Give up what is under way."""
        for task in list(self._pending.values()):
            task.cancel()
        await asyncio.gather(*self._pending.values(), return_exceptions=True)

    async def _read(
        self, question: Hashable, read: Callable[[], Awaitable[Any]], terms: Terms, weigh: Callable[[Any], int]
    ) -> Answer:
        try:
            await asyncio.wait_for(self._turns.acquire(), TURN_SECONDS)
        except TimeoutError:
            detail = f"{self._exchange} is asked too many different questions at once."
            raise EngineUnavailable(detail, code="exchange_busy", retry_after=1) from None
        try:
            at, value = self._clock(), await self._asked(read)
        finally:
            self._turns.release()
        answer = Answer(value, at)
        self._keep(question, _Kept(answer, weigh(value), time.monotonic() + terms.fresh))
        return answer

    async def _asked(self, read: Callable[[], Awaitable[Any]]) -> Any:
        self._breaker.check()
        with attempt.noting() as noted:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    value = await read()
            except _FAULTS as error:
                self._breaker.failed(noted.retry_after)
                raise unavailable(self._exchange, error, noted.retry_after) from None
        self._breaker.succeeded()
        return value

    def _keep(self, question: Hashable, kept: _Kept) -> None:
        before = self._kept.pop(question, None)
        self._weight += kept.weight - (before.weight if before else 0)
        self._kept[question] = kept
        while self._weight > MOST_WEIGHT:
            _, oldest = self._kept.popitem(last=False)
            self._weight -= oldest.weight
