"""The streamer on a thread of the test's own process, and an engine in memory behind a real socket for it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from asyncio import Protocol
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

import services
from config import Settings
from engine.server import Server
from streaming.handoff import Handoff
from streaming.hub import Hub
from streaming.streamer import SQL_THREADS, Streamer
from streaming.tasks import Tasks
from tests.fake_engine import FakeEngine
from utils import wire
from utils.errors import EngineUnavailable
from utils.follow import StreamerStatus
from utils.wire import ANSWERS, Request, Subscribe, SubscribeAccountEvents

Result = TypeVar("Result")
TIMEOUT = 60


class Loop:
    """An event loop on a thread."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run `work` on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT)

    def call(self, function: Callable[[], Result]) -> Result:
        """Call `function` on the loop."""

        async def once() -> Result:
            return function()

        return self.run(once())

    def end(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)


class EngineSocket:
    """Serve an engine in memory where the streamer looks for one; `tell` stands for what an engine commits."""

    def __init__(self, settings: Settings, engine: FakeEngine) -> None:
        self._path = settings.engine_socket
        self._engine = engine
        self._loop = Loop()
        self._subscribers: set[asyncio.Queue[bytes | None]] = set()
        self._server = self._new_server()

    def start(self) -> None:
        """Listen."""
        self._loop.run(self._server.start(self._path))

    def tell(self, *events: wire.AccountEvent) -> None:
        """Tell subscribers of account events, which must be in SQL already."""
        frame = wire.encode_account_events(list(events))

        def put() -> None:
            for queue in self._subscribers:
                queue.put_nowait(frame)

        self._loop.call(put)

    def go_away(self) -> None:
        """Break every connection and listen no more, as a killed engine does."""
        self._engine.fail_with(EngineUnavailable("The engine went away."))
        self._loop.run(self._server.stop())
        self._path.unlink(missing_ok=True)

    def come_back(self) -> None:
        """Listen again."""
        self._engine.fail_with(None)
        self._server = self._new_server()
        self.start()

    def close(self) -> None:
        """Go away for good."""
        self.go_away()
        self._loop.end()

    def _new_server(self) -> Server:
        return Server(
            dict.fromkeys(ANSWERS, self._answer),
            {Subscribe: self._prices, SubscribeAccountEvents: self._account_events},
        )

    async def _answer(self, request: Request) -> Any:
        return await asyncio.to_thread(self._engine.call, request, time.time() + 5)  # type: ignore[arg-type]

    async def _prices(self, query: Subscribe) -> AsyncGenerator[bytes | None]:
        events = self._engine.stream(query)
        while True:
            event = await asyncio.to_thread(next, events)
            yield None if event is None else wire.encode_event(event)

    async def _account_events(self, query: SubscribeAccountEvents) -> AsyncGenerator[bytes | None]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._subscribers.add(queue)
        try:
            yield wire.encode_account_events([])
            while True:
                try:
                    yield await asyncio.wait_for(queue.get(), query.heartbeat)
                except TimeoutError:
                    yield None
        finally:
            self._subscribers.discard(queue)


class StreamerHost:
    """Run a streamer; `streamer` may be looked at through `call`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._loop = Loop()
        self.streamer: Streamer

    def start(self) -> StreamerHost:
        """Start it, and wait until it follows the engine."""
        self.streamer = Streamer(self.settings, services.build_for_streams(self.settings, threads=SQL_THREADS))
        self._loop.run(self.streamer.start())
        return self

    def wait_until_it_follows(self) -> StreamerHost:
        """Wait until every subscription with the engine holds."""
        until(lambda: all(self.call(self.streamer.status).feeds.values()))
        return self

    def stop(self) -> None:
        """Stop it as the supervisor does."""
        self._loop.run(self.streamer.stop())

    def close(self) -> None:
        """Stop it, and end its thread."""
        self.stop()
        self._loop.end()

    def call(self, function: Callable[[], Result]) -> Result:
        """Call `function` on the streamer's loop."""
        return self._loop.call(function)


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for `condition`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


@contextmanager
def streamer_that_is_ready(path: Path) -> Iterator[None]:
    """Let a streamer that takes no client say at `path` that it is there."""
    loop = Loop()
    hub = Hub(most=0, most_per_user=0)
    status = StreamerStatus(
        pid=os.getpid(),
        uptime_seconds=1.0,
        lag_seconds=0.0,
        clients=hub.counts(),
        topics={},
        deliveries=0,
        coalesced=0,
        drops={},
        refusals={},
        feeds={},
    )
    door = Handoff(path, lambda _handover: Protocol(), lambda: status, Tasks())
    loop.call(door.start)
    yield
    loop.call(door.stop)
    loop.end()
