"""The real engine on a thread of the test's own process, with its market at the test's command."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import uvloop

from config import Settings
from engine.engine import Engine
from engine.live.timing import Timing
from engine.markets.source import MarketSource

Result = TypeVar("Result")
TIMEOUT = 60


class EngineHost:
    """Run an engine that ticks when it is told to."""

    def __init__(
        self,
        settings: Settings,
        source: MarketSource,
        others: Sequence[MarketSource] = (),
        timing: Timing | None = None,
    ) -> None:
        self.settings = settings
        self._source = source
        self._others = others
        self._timing = timing
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.engine: Engine

    def start(self) -> None:
        """Start the engine."""
        if not self._thread.is_alive():
            self._thread.start()
        self.run(self._start())

    def stop(self) -> None:
        """Stop the engine as SIGTERM does."""
        self.run(self.engine.stop())

    def close(self) -> None:
        """Stop the engine and its thread."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()

    def tick(self, *, settle: bool = True) -> None:
        """Let the market tick and (unless told otherwise) wait until what that led to is committed."""
        self.run(self._tick(settle))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run `work` on the engine's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT)

    async def _start(self) -> None:
        self.engine = Engine(self.settings, self._source, self._others, self._timing)
        await self.engine.start(ticking=False)

    async def _tick(self, settle: bool) -> None:
        await self.engine.market.tick()
        if settle:
            await self.engine.settle()
