"""The same stream as most would write it: FastAPI and uvicorn, a queue for each client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from benchmarks.stream_events import TICK_SECONDS, event, ticks

_queues: set[asyncio.Queue[bytes]] = set()


async def publish() -> None:
    """Give every client every event."""
    async for number, due in ticks(TICK_SECONDS):
        written = event(number, due)
        for queue in _queues:
            queue.put_nowait(written)


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    task = asyncio.create_task(publish())
    yield
    task.cancel()


app = FastAPI(lifespan=_lifespan)


@app.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Tell that it runs."""
    return {"success": True}


@app.get("/stream")
async def stream() -> StreamingResponse:
    """Stream prices."""
    return StreamingResponse(_events(), media_type="text/event-stream")


async def _events() -> AsyncIterator[bytes]:
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    _queues.add(queue)
    try:
        while True:
            yield await queue.get()
    finally:
        _queues.discard(queue)
