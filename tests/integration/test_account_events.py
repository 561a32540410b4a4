"""Account events in SQL: what a client missed, and what is too old to be kept."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from flask import Flask
from sqlalchemy import insert, update

import models
from config import Settings
from engine.engine import Engine
from engine.journal.event_log import BATCH, EventLog
from models import Database
from services.accounts.events import AccountEvents, Span
from services.backups.past import JUMP, renew
from services.verification import differences
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn, sign_in
from tests.manual_market import ManualMarket
from utils import clock
from utils.ids import new_id
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, CancelOrder, OrderTicket, PlaceOrder

WEEK = timedelta(days=7)


@pytest.fixture
def log(database: Database) -> AccountEvents:
    return AccountEvents(database)


def happen(database: Database, who: SignedIn, count: int, *, days_ago: float = 0, account: str | None = None) -> None:
    """Let `count` events happen to `who`, numbered as the engine does."""
    moment = clock.now() - timedelta(days=days_ago)
    last = AccountEvents(database).span(who.id).newest
    event = {"user_id": who.id, "account_id": account or who.account_id, "type": "balance", "created_at": moment}
    with database.writing() as connection:
        if last == 0:
            connection.execute(insert(models.EventCounter).values(user_id=who.id, last_id=0))
        numbers = range(last + 1, last + count + 1)
        connection.execute(
            insert(models.Event), [{**event, "id": number, "payload": f'{{"n":{number}}}'} for number in numbers]
        )
        connection.execute(
            update(models.EventCounter).where(models.EventCounter.user_id == who.id).values(last_id=last + count)
        )


def ids(log: AccountEvents, who: SignedIn, since: int, **options: object) -> list[int] | None:
    events = log.since(who.id, since, **options)  # type: ignore[arg-type]
    return None if events is None else [event.id for event in events]


def sweep(database: Database, retention: timedelta = WEEK) -> int:
    return asyncio.run(EventLog(database, retention).sweep(clock.now()))


def test_what_was_missed_comes_in_order_and_in_pages(
    database: Database, log: AccountEvents, user: SignedIn, other: SignedIn
) -> None:
    happen(database, user, 7)
    happen(database, other, 3)
    assert ids(log, user, 2) == [3, 4, 5, 6, 7]
    assert ids(log, user, 2, limit=2) == [3, 4]
    assert ids(log, user, 7) == []
    events = log.since(user.id, 6) or []
    assert [(event.user_id, event.account, event.type) for event in events] == [(user.id, user.account_id, "balance")]
    assert msgspec.json.decode(events[0].payload) == {"n": 7}


def test_one_account_can_be_followed_alone(app: Flask, database: Database, log: AccountEvents, user: SignedIn) -> None:
    second = new_id()
    with database.writing() as connection:
        row = dict(connection.execute(models.Account.__table__.select()).mappings().one())
        connection.execute(insert(models.Account).values({**row, "id": second, "name": "Second"}))
    happen(database, user, 2)
    happen(database, user, 1, account=second)
    happen(database, user, 1)
    assert ids(log, user, 0, account=second) == [3]
    assert ids(log, user, 1, account=user.account_id) == [2, 4]


def test_ids_that_were_never_given_or_are_forgotten_need_a_reset(
    database: Database, log: AccountEvents, user: SignedIn
) -> None:
    assert (ids(log, user, 0), ids(log, user, 1), log.span(user.id)) == ([], None, Span(0, 0))
    happen(database, user, 3, days_ago=8)
    happen(database, user, 2)
    assert (ids(log, user, 0), ids(log, user, 6), ids(log, user, -1)) == ([1, 2, 3, 4, 5], None, None)
    assert sweep(database) == 3
    assert (ids(log, user, 2), ids(log, user, 3), log.span(user.id)) == (None, [4, 5], Span(3, 5))


def test_a_sweep_keeps_ids_going_when_nothing_is_left(database: Database, log: AccountEvents, user: SignedIn) -> None:
    happen(database, user, BATCH + 1, days_ago=8)
    assert sweep(database) == BATCH + 1
    assert sweep(database) == 0
    assert (ids(log, user, BATCH), ids(log, user, BATCH + 1)) == (None, [])
    happen(database, user, 1)
    assert ids(log, user, BATCH + 1) == [BATCH + 2]


def test_after_a_restore_clients_get_its_reset_also_when_it_is_old(
    database: Database, log: AccountEvents, user: SignedIn
) -> None:
    happen(database, user, 5, days_ago=8)
    renew(database)
    # a client that had seen two more events, which the backup lacks
    [reset] = log.since(user.id, 7) or []
    assert (reset.type, reset.id) == ("reset", 5 + JUMP)
    with database.writing() as connection:
        old = update(models.Event).where(models.Event.type == "reset")
        connection.execute(old.values(created_at=clock.now() - timedelta(days=8)))
    assert sweep(database) == 6
    assert (ids(log, user, 7), ids(log, user, 5 + JUMP)) == (None, [])


def test_what_was_forgotten_is_no_difference_and_what_was_lost_is(database: Database, user: SignedIn) -> None:
    happen(database, user, 4, days_ago=8)
    happen(database, user, 4)
    sweep(database)
    assert differences(database) == []
    with database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE id = 5")
    assert [each.check for each in differences(database)] == ["event_gap"]


def test_many_users_are_asked_for_at_once(app: Flask, database: Database, log: AccountEvents, user: SignedIn) -> None:
    second = sign_in(app, database)
    happen(database, user, 2)
    strangers = [new_id() for _ in range(10_000)]
    started = time.perf_counter()
    spans = log.spans([user.id, second.id, *strangers])
    assert (spans[user.id], spans[second.id], len(spans)) == (Span(0, 2), Span(0, 0), 10_002)
    assert time.perf_counter() - started < 1


def test_the_engine_keeps_events_for_as_long_as_it_is_told(settings: Settings) -> None:
    assert Engine(settings).event_log._retention == WEEK


def test_the_moves_of_an_order_that_are_forgotten_are_not_missed(
    app: Flask, database: Database, host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn
) -> None:
    ticket = OrderTicket(symbol=SYMBOL, side="buy", type="limit", amount=Decimal("0.01"), price=Decimal(40_000))
    placed = [
        engine_bridge.place_order(PlaceOrder(actor=Actor(user_id=user.id), account=user.account_id, ticket=ticket))
        for _ in range(2)
    ]
    long_ago = clock.now() - timedelta(days=8)
    with database.writing() as connection:
        connection.execute(update(models.Event).values(created_at=long_ago))
        connection.execute(update(models.Order).values(created_at=long_ago))
    engine_bridge.cancel_order(
        CancelOrder(actor=Actor(user_id=user.id), account=user.account_id, order_id=placed[0].id)
    )
    assert sweep(database) > 0
    # of one the end is kept, of the other nothing
    assert differences(database) == []
    with database.writing() as connection:
        connection.execute(update(models.Order).where(models.Order.id == placed[0].id).values(status="expired"))
    assert [each.check for each in differences(database)] == ["move"]
