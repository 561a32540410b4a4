"""Account events on the bridge: told after their commit, in its order, to subscribers that keep up."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from flask import Flask

import models
from config import Settings
from engine import server
from engine.journal.account_events import AccountEvents
from engine.journal.journal import Journal
from engine.journal.unit import Line, Unit
from models import Database
from tests.books import rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn, sign_in
from tests.failures import Vanishing
from utils import clock, wire
from utils.octobot_bridge import OctoBotBridge
from utils.wire import AccountEvent, Actor, OrderTicket, PlaceOrder, SubscribeAccountEvents

Stream = Iterator[list[AccountEvent] | None]


def buy(bridge: OctoBotBridge, who: SignedIn, amount: str = "0.001", **ticket: Any) -> wire.Order:
    ticket = {"symbol": SYMBOL, "side": "buy", "type": "market", "amount": Decimal(amount), **ticket}
    return bridge.place_order(
        PlaceOrder(actor=Actor(user_id=who.id), account=who.account_id, ticket=OrderTicket(**ticket))
    )


def subscribe(bridge: OctoBotBridge, heartbeat: float = 15.0) -> Stream:
    stream = bridge.account_events(SubscribeAccountEvents(heartbeat=heartbeat))
    assert next(stream) == []
    return stream


def take(stream: Stream, count: int) -> list[AccountEvent]:
    found: list[AccountEvent] = []
    while len(found) < count:
        events = next(stream)
        found += events or []
    return found


def stored(database: Database) -> dict[str, list[AccountEvent]]:
    """Return the events that SQL has, by user, as the bridge tells them."""
    found = defaultdict(list)
    for row in sorted(rows(database, models.Event), key=lambda row: (row.user_id, row.id)):
        found[row.user_id].append(
            AccountEvent(
                user_id=row.user_id,
                id=row.id,
                account=row.account_id,
                type=row.type,
                created_at=row.created_at,
                payload=row.payload.encode(),
            )
        )
    return dict(found)


def test_a_fill_is_told_as_order_trade_and_balance(engine_bridge: OctoBotBridge, user: SignedIn) -> None:
    engine_bridge.portfolio(user.account_id)  # its opening balance is booked with that
    stream = subscribe(engine_bridge)
    order = buy(engine_bridge, user)

    events = take(stream, 3)

    assert [event.type for event in events] == ["order", "trade", "balance"]
    assert {(event.user_id, event.account) for event in events} == {(user.id, user.account_id)}
    assert [event.id for event in events] == list(range(events[0].id, events[0].id + 3))
    told, traded = (msgspec.json.decode(event.payload) for event in events[:2])
    assert (told["id"], told["status"], traded["order_id"]) == (order.id, "filled", order.id)


def test_subscribers_hear_everything_that_sql_has_in_its_order(
    app: Flask, database: Database, engine_bridge: OctoBotBridge
) -> None:
    users = [sign_in(app, database) for _ in range(4)]
    streams = [subscribe(engine_bridge) for _ in range(2)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda who: [buy(engine_bridge, who) for _ in range(5)], [*users, *users]))
    expected = stored(database)

    for stream in streams:
        heard = defaultdict(list)
        for event in take(stream, sum(map(len, expected.values()))):
            heard[event.user_id].append(event)
        assert dict(heard) == expected
    assert all([event.id for event in events] == list(range(1, len(events) + 1)) for events in expected.values())


def test_nothing_is_lost_between_sql_and_a_subscription_that_begins_meanwhile(
    database: Database, engine_bridge: OctoBotBridge, user: SignedIn
) -> None:
    ended = threading.Event()

    def trade() -> None:
        while not ended.is_set():
            buy(engine_bridge, user, "0.0001")

    with ThreadPoolExecutor(1) as thread:
        trading = thread.submit(trade)
        try:
            for _ in range(20):
                stream = subscribe(engine_bridge)
                known = [event.id for event in stored(database).get(user.id, [])]
                first = take(stream, 1)[0].id
                assert first <= (known[-1] if known else 0) + 1
        finally:
            ended.set()
        trading.result(60)


def test_silence_is_broken_by_heartbeats(engine_bridge: OctoBotBridge) -> None:
    stream = subscribe(engine_bridge, heartbeat=0.05)
    assert [next(stream), next(stream)] == [None, None]


def test_what_was_committed_unanswered_is_told_once_it_is_known(
    database: Database, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may go away between COMMIT and its answer; what it stored must not be kept from subscribers."""
    told: list[str] = []
    hub = AccountEvents()
    monkeypatch.setattr(hub, "publish", lambda events: told.extend(row["payload"] for row in events))
    journal = Journal(database, hub)
    monkeypatch.setattr("engine.journal.journal.OUTCOME_SECONDS", 0.1)
    vanishing = Vanishing(database, None)
    monkeypatch.setattr(journal, "_database", vanishing)

    def unit(name: str) -> Unit:
        made = Unit(Line(user.account_id, user.id))
        made.balance_event({name: {}})
        return made

    journal._commit([unit("unknown")])
    assert told == []
    vanishing.breaks, vanishing.outcomes = False, [True]
    journal._commit([unit("after")])
    assert [next(iter(msgspec.json.decode(each)["currencies"])) for each in told] == ["unknown", "after"]
    vanishing.breaks, vanishing.outcomes = True, [False]
    journal._commit([unit("dropped")])
    assert len(told) == 2


def test_one_for_whom_too_much_waits_is_cut_and_the_others_go_on() -> None:
    row = {
        "user_id": "u",
        "id": 1,
        "account_id": "a",
        "type": "order",
        "created_at": clock.now(),
        "payload": "x" * 1000,
    }

    async def run() -> tuple[int, int]:
        hub = AccountEvents(buffer_bytes=10_000)
        slow, quick = hub.subscribe(15), hub.subscribe(15)
        await anext(slow), await anext(quick)
        for _ in range(100):
            hub.publish([row])
            await asyncio.sleep(0)
            await anext(quick)
        held = sum(len(frame or b"") for frame in [frame async for frame in slow])
        return held, len(hub._subscribers)

    assert asyncio.run(run()) == (0, 1)


def test_one_that_takes_nothing_is_closed(
    host: EngineHost, settings: Settings, engine_bridge: OctoBotBridge, user: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STALLED_SECONDS", 0.3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(str(settings.engine_socket))
        connection.sendall(wire.encode_call(wire.Call(time.time() + 5, SubscribeAccountEvents())))
        assert connection.recv(4096)  # the first frame; nothing is read from here on
        [subscriber] = host.engine._account_events._subscribers
        frames = [b"x" * 100_000] * 20
        host._loop.call_soon_threadsafe(lambda: list(map(subscriber.offer, frames)))
        deadline = time.monotonic() + 60
        while host.engine._account_events._subscribers and time.monotonic() < deadline:
            time.sleep(0.02)
        connection.settimeout(60)
        received = b"".join(iter(lambda: connection.recv(2**20), b""))
    assert len(received) < 10 * len(frames[0])
    buy(engine_bridge, user)
