"""`/ws/strategies`: what happens to the caller's strategies, and to no other account."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

import models
from models import Database
from services.audit import SYSTEM
from tests.factories import SignedIn, services_of, with_key
from tests.integration.streaming.test_websocket import Talk
from tests.streamer_host import EngineSocket, StreamerHost
from utils import clock, ids
from utils.wire import AccountEvent

Follow = Callable[..., Talk]


@pytest.fixture
def follow(host: StreamerHost, user: SignedIn) -> Iterator[Follow]:
    """Open the socket and subscribe."""
    opened: list[ClientConnection] = []

    def open_socket(headers: dict[str, str] | None = None, query: str = "", **wish: Any) -> Talk:
        url = f"ws://127.0.0.1:{host.streamer.port}/ws/strategies{query}"
        opened.append(connect(url, additional_headers=user.headers if headers is None else headers))
        return Talk(opened[-1]).say("subscribe", channel="strategies", **wish)

    yield open_socket
    for each in opened:
        each.close()


class Committed:
    """Store events of the user as the engine does, and tell the streamer of them."""

    def __init__(self, database: Database, user: SignedIn, socket: EngineSocket) -> None:
        self._database = database
        self._user = user
        self._socket = socket

    def strategy(self, name: str) -> str:
        """Add a strategy, and return its account."""
        account, now = ids.new_id(), clock.now()
        with self._database.write() as session:
            session.add(
                models.Account(
                    id=account,
                    user_id=self._user.id,
                    name=name,
                    mode="paper",
                    exchange="demo",
                    type="spot",
                    kind="strategy",
                    reference_currency="USDT",
                    starting_balance=0,
                    status="active",
                    created_at=now,
                    updated_at=now,
                )
            )
        self.take(account, name)
        return account

    def take(self, account: str, name: str) -> None:
        """Add a strategy on an account that is there."""
        now = clock.now()
        with self._database.write() as session:
            session.execute(update(models.Account).where(models.Account.id == account).values(kind="strategy"))
            session.add(
                models.Strategy(
                    id=ids.new_id(),
                    user_id=self._user.id,
                    name=name,
                    account_id=account,
                    parent_id=self._user.account_id,
                    strategy_class="grid",
                    portfolio_name="BTC/USDT",
                    settings="{}",
                    funding=0,
                    state="created",
                    run=0,
                    created_at=now,
                    updated_at=now,
                )
            )

    def event(self, account: str, type: Any, tell: bool = True) -> int:
        """Store an event, and return its id."""
        with self._database.write() as session:
            counter = session.get(models.EventCounter, self._user.id)
            if counter is None:
                counter = models.EventCounter(user_id=self._user.id, last_id=0)
                session.add(counter)
            counter.last_id += 1
            made = AccountEvent(
                user_id=self._user.id,
                id=counter.last_id,
                account=account,
                type=type,
                created_at=clock.now(),
                payload=json.dumps({"account": account}).encode(),
            )
            session.add(
                models.Event(
                    user_id=made.user_id,
                    id=made.id,
                    account_id=account,
                    type=type,
                    payload=made.payload.decode(),
                    created_at=made.created_at,
                )
            )
        if tell:
            self._socket.tell(made)
        return made.id


@pytest.fixture
def committed(database: Database, user: SignedIn, socket: EngineSocket) -> Committed:
    return Committed(database, user, socket)


def told(talk: Talk) -> tuple[int, str]:
    heard = talk.hear()
    return heard["id"], heard["type"]


def test_only_strategies_are_told_of_also_those_that_are_added_later(
    follow: Follow, committed: Committed, user: SignedIn
) -> None:
    first = committed.strategy("first")
    committed.event(first, "strategy")
    talk = follow(id=1)
    answer = talk.hear()
    assert (answer["type"], answer["data"]) == ("subscribed", {"channel": "strategies", "strategy": None})
    assert told(talk) == (1, "mark")
    committed.event(user.account_id, "balance")
    assert committed.event(first, "order") == 3
    assert told(talk) == (3, "order")
    second = committed.strategy("second")
    for type in ("balance", "strategy", "strategy_log"):
        committed.event(second, type)
    committed.event(user.account_id, "order")
    committed.event(first, "trade")
    assert [told(talk) for _ in range(4)] == [(4, "balance"), (5, "strategy"), (6, "strategy_log"), (8, "trade")]


def test_an_account_that_becomes_a_strategys_is_told_of(follow: Follow, committed: Committed, user: SignedIn) -> None:
    first = committed.strategy("first")
    talk = follow(id=1, since_id=0)
    assert talk.hear()["type"] == "subscribed"
    committed.event(user.account_id, "order")
    committed.event(first, "order")
    assert told(talk) == (2, "order")
    committed.take(user.account_id, "live")
    for type in ("strategy", "order"):
        committed.event(user.account_id, type)
    assert [told(talk), told(talk)] == [(3, "strategy"), (4, "order")]


def test_one_strategy_alone_and_from_where_a_client_left(follow: Follow, committed: Committed, user: SignedIn) -> None:
    mine, other = committed.strategy("mine"), committed.strategy("other")
    for account in (mine, other, user.account_id, mine):
        committed.event(account, "order")
    talk = follow(strategy="mine", since_id=0)
    assert talk.hear()["data"] == {"channel": "strategies", "strategy": "mine"}
    assert [told(talk), told(talk)] == [(1, "order"), (4, "order")]
    committed.event(other, "order", tell=False)  # nobody was told: it is found missing
    committed.event(mine, "trade")
    assert told(talk) == (6, "trade")
    late = follow(strategy="mine", since_id=99)
    assert [late.hear()["type"], late.hear()["type"]] == ["subscribed", "reset"]


def test_nobody_follows_what_is_not_theirs(
    follow: Follow, committed: Committed, app: Flask, other: SignedIn, admin: SignedIn
) -> None:
    committed.strategy("mine")
    refused = follow(other.headers, strategy="mine").hear()
    assert (refused["type"], refused["data"]["error_code"]) == ("error", "strategy_not_found")
    malformed = follow(strategy="../mine").hear()
    assert (malformed["type"], malformed["data"]["errors"][0]["field"]) == ("error", "strategy")
    theirs = follow(other.headers, since_id=0)
    committed.event(committed.strategy("late"), "strategy")
    assert theirs.hear()["type"] == "subscribed"
    assert theirs.say("unsubscribe", channel="strategies").hear()["type"] == "unsubscribed"
    assert theirs.ask("subscribe", channel="account")["data"]["error_code"] == "unknown_channel"
    with pytest.raises(InvalidStatus):
        follow({})
    with pytest.raises(InvalidStatus):
        follow(with_key(app, admin, "admin"))
    ticket = services_of(app).tickets.issue(other.principal, SYSTEM).ticket
    assert follow({}, f"?ticket={ticket}").hear()["type"] == "subscribed"
