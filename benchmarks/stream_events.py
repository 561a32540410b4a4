"""The events that the baselines of streams write: of the same shape and size as the product's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

TICK_SECONDS = 0.1
FIRST = time.time_ns() // 1000


def event(number: int, due: float) -> bytes:
    """Return a price as a server-sent event; `due` is its moment, in Unix seconds."""
    moment = datetime.fromtimestamp(due, UTC).isoformat().replace("+00:00", "Z")
    payload = (
        f'{{"symbol":"BTC/USDT","exchange":"demo","price":"60000.{number % 100:02}","bid":"59999.99",'
        f'"ask":"60000.01","as_of":"{moment}"}}'
    )
    return f"id: {FIRST + number}\nevent: price\ndata: {payload}\n\n".encode()


async def ticks(seconds: float) -> AsyncIterator[tuple[int, float]]:
    """Yield numbers and the Unix times at which they are due; what was missed is not caught up with."""
    number, due = 0, time.time()
    while True:
        number += 1
        due = max(due + seconds, time.time())
        await asyncio.sleep(due - time.time())
        yield number, due
