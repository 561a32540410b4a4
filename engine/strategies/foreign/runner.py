"""One strategy of an installed tentacle: its process is supervised until it is stopped or given up."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.server import Server
from engine.strategies.foreign.clerk import Clerk
from engine.strategies.records import StrategyRecord
from engine.strategies.store import Store
from engine.strategies.thinking import StrategyFault
from utils.errors import Conflict, TradingError
from utils.home.tentacles import bare_environment
from utils.part import Part
from utils.wire import Alert, Order

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "engine.strategies.foreign"]
SILENT_SECONDS = 120.0
"""How long a process may ask nothing, as while it imports all tentacles, or when one blocks it."""
LOOK_SECONDS = 1.0
STEADY_SECONDS = 60.0
"""A process that lived this long is started again at once when it dies."""
MOST_DEATHS = 5
"""So many in a row, and the strategy is given up."""
_log = logging.getLogger(__name__)


class Counter(Server):
    """Answer one process at its own socket, and know whether it still asks."""

    def __init__(self, clerk: Clerk) -> None:
        super().__init__(clerk.handlers(), {})
        self.heard = time.monotonic()
        self.gone = asyncio.Event()

    async def answer(self, body: bytes, connection: Any) -> None:
        """Answer, and take note that the process is alive."""
        self.heard = time.monotonic()
        await super().answer(body, connection)

    def closed(self, connection: Any) -> None:
        """Take note that the process has gone."""
        super().closed(connection)
        self.gone.set()


class ForeignRunner:
    """Keep the process of one strategy. It holds nothing, so that it is killed without being asked."""

    takes_alerts = False
    timeframe: str | None = None

    def __init__(
        self,
        record: StrategyRecord,
        clerk_of: Callable[[StrategyRecord, Callable[[TradingError], None]], Clerk],
        *,
        home: Path,
        store: Store,
        cancel_open: Callable[[StrategyRecord], Awaitable[None]],
        failed: Callable[[StrategyRecord, TradingError], None],
    ) -> None:
        self.record = record
        self._clerk_of = clerk_of
        self._store = store
        self._cancel_open = cancel_open
        self._told_failed = failed
        self._clerk = clerk_of(record, self._fail)
        self._home = home
        self._part = _part(record)
        self._ending = asyncio.Event()
        """Set when the process is to end: for good, or for another one with other settings."""
        self._is_over = False
        self._task: asyncio.Task[None] | None = None
        self.turning = asyncio.Lock()
        """Held while its settings are changed."""

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=f"strategy {self.record.name}")

    def wake(self) -> None:
        """Do nothing: its process looks for itself."""

    async def settle(self) -> bool:
        """Tell that nobody waits for it: what it decides when is its own affair."""
        return False

    async def alert(self, alert: Alert) -> list[Order]:  # noqa: ARG002
        """Refuse an alert. :raises Conflict: `strategy_takes_no_alerts`."""
        raise Conflict("The strategy acts on no alerts.", code="strategy_takes_no_alerts")

    async def change(self, record: StrategyRecord) -> None:
        """Go on with other settings, which are stored already: what was placed by those before is canceled."""
        await self._dismiss()
        self.record = record
        await self._cancel_open(record)
        self._clerk = self._clerk_of(record, self._fail)
        self._ending.set()

    async def stop(self) -> None:
        """End; an order that is being placed is placed first, and no other is."""
        self._is_over = True
        await self._dismiss()
        self._ending.set()
        if self._task is not None and self._task is not asyncio.current_task():
            await asyncio.wait([self._task])

    async def _dismiss(self) -> None:
        self._clerk.is_over = True
        async with self._clerk.turning:
            pass  # what it has begun has ended

    def _fail(self, error: TradingError) -> None:
        if not self._is_over:
            self._is_over = self._clerk.is_over = True
            self._ending.set()
            _log.warning("strategy %s failed: %s", self.record.name, error.detail)
            self._told_failed(self.record, error)

    async def _run(self) -> None:
        try:
            while not self._is_over:
                self._ending.clear()
                reason = await self._live()
                if self._ending.is_set():
                    self._part.deaths = 0
                    continue
                if self._part.deaths >= MOST_DEATHS:
                    detail = f"Its process ended {self._part.deaths} times in a row; at last: {reason}."
                    self._fail(StrategyFault(detail, code="strategy_process_ended"))
                    return
                await self._store.tell(self.record, "warning", f"Its process ended ({reason}) and is started again.")
                await self._rest()
        except Exception as error:
            _log.exception("the process of strategy %s cannot be kept", self.record.name)
            self._fail(StrategyFault(f"Its process cannot be kept: {error}"))

    async def _live(self) -> str:
        """Let one process live, and return how it ended."""
        counter, silence = Counter(self._clerk), None
        ours, theirs = socket.socketpair()
        try:
            await counter.adopt(ours)
            with theirs:
                arguments = (str(theirs.fileno()), str(self._home))
                await asyncio.to_thread(self._part.start, *arguments, descriptors=(theirs.fileno(),))
            silence = await self._watch(counter)
        finally:
            await asyncio.to_thread(self._part.kill, heard=counter.heard if silence else None)
            ended = self._part.reap() or "it could not be started"
            await counter.stop()
        return silence or ended

    async def _watch(self, counter: Counter) -> str | None:
        """Return when the process has gone or is to go; tell why when it is because it has hung."""
        while not self._ending.is_set() and not counter.gone.is_set():
            silent = time.monotonic() - counter.heard
            if silent > SILENT_SECONDS:
                return f"it asked nothing for {silent:.0f} s and was killed"
            waits = [asyncio.ensure_future(event.wait()) for event in (self._ending, counter.gone)]
            await asyncio.wait(waits, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        return None

    async def _rest(self) -> None:
        """Wait until the next process is due."""
        due = self._part.due
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), max((due or 0.0) - time.monotonic(), 0.0))


def _part(record: StrategyRecord) -> Part:
    """Return what starts a strategy's process: tentacles are foreign code, and get nothing of the environment."""
    return Part(
        f"strategy {record.name}",
        COMMAND,
        environment={**bare_environment(), "PYTHONPATH": str(ROOT)},
        steady_seconds=STEADY_SECONDS,
    )
