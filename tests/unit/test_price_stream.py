"""The engine's price stream: a subscriber misses nothing unless it falls far behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.markets import prices
from engine.markets.prices import PriceStream
from utils.wire import Price, StreamEvent

AT = datetime(2026, 11, 29, tzinfo=UTC)
SYMBOLS = ("BTC/USDT", "ETH/USDT")
QUIET = 0.01
"""A heartbeat soon says that there is nothing more."""


def tick(stream: PriceStream) -> None:
    """Let every market move."""
    stream.publish(
        [
            Price(symbol=symbol, exchange="demo", price=Decimal(1), bid=Decimal(1), ask=Decimal(2), as_of=AT)
            for symbol in SYMBOLS
        ]
    )


async def drain(events: AsyncGenerator[StreamEvent | None]) -> list[int]:
    """Return the ids that come before there is nothing more to tell."""
    found = []
    while (event := await anext(events)) is not None:
        found.append(event.id)
    return found


def test_what_comes_while_the_history_is_read_is_told_to_the_last_price() -> None:
    async def play() -> None:
        stream = PriceStream("demo")
        for _ in range(5):
            tick(stream)
        events = stream.subscribe(None, None, QUIET, history=True)
        first = await anext(events)
        assert first is not None
        for _ in range(100):
            tick(stream)
        history, later = await drain(events), await drain(events)
        ids = [first.id, *history, *later]
        assert ids == list(range(first.id, first.id + 105 * len(SYMBOLS)))

    asyncio.run(play())


@pytest.mark.parametrize("most", [1, 7, 1000])
def test_one_that_falls_far_behind_gets_the_newest_of_each_market(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(prices, "MOST_PENDING", most)

    async def play() -> None:
        stream = PriceStream("demo")
        tick(stream)
        events = stream.subscribe(None, None, QUIET)
        assert len([await anext(events) for _ in SYMBOLS]) == 2
        assert await anext(events) is None
        for _ in range(600):
            tick(stream)
        ids = await drain(events)
        assert 2 <= len(ids) <= max(most, 4)
        assert ids == sorted(ids)
        newest = [await anext(stream.subscribe([symbol], None, QUIET)) for symbol in SYMBOLS]
        assert ids[-2:] == [event.id for event in newest if event is not None]
        tick(stream)
        assert await drain(events) == [ids[-1] + 1, ids[-1] + 2]

    asyncio.run(play())
