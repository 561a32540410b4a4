"""The installation's kill switch, as the keeper of the bot goes by it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete

import worker.bot
from models import KillSwitch
from tests.factories import SignedIn
from tests.integration.bot.stage import Stage, exchange, resting
from utils import clock


@pytest.fixture
def engage(stage: Stage, admin: SignedIn) -> Callable[[], None]:
    def write() -> None:
        with stage.database.write() as session:
            session.add(KillSwitch(scope="installation", target="", engaged_by=admin.id, engaged_at=clock.now()))

    return write


def release(stage: Stage) -> None:
    with stage.database.write() as session:
        session.execute(delete(KillSwitch))


def test_it_pauses_the_bot_and_cancels_its_orders_over_its_death(stage: Stage, engage: Callable[[], None]) -> None:
    stage.want("running")
    stage.until("running")
    stage.bridge.open_orders = 3
    stage.keeper.turn()
    assert stage.bridge.open_orders == 3
    engage()
    pid = stage.until("paused", lambda _: stage.bridge.open_orders == 0).pid
    assert pid is not None
    os.kill(pid, 9)
    stage.bridge.open_orders = 1  # an exchange still has one
    stage.until("paused", lambda told: told.pid != pid and stage.bridge.open_orders == 0)
    assert stage.started == [(), ("paused",)]
    stage.keeper = stage.keeper_after_a_restart()
    stage.until("paused", lambda _: stage.started[2:] == [("paused",)])
    release(stage)
    stage.until("running")


def test_one_that_is_starting_is_started_anew_paused(stage: Stage, engage: Callable[[], None]) -> None:
    stage.want("running")
    stage.bridge.is_silent = True
    stage.until("starting", lambda _: stage.started == [()])
    engage()
    stage.until("starting", lambda _: stage.started == [(), ("paused",)])
    stage.bridge.is_silent = False
    stage.until("paused")


def test_one_that_does_not_answer_is_not_waited_for_as_long(
    stage: Stage, engage: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.want("running")
    pid = stage.until("running").pid
    monkeypatch.setattr(worker.bot, "HELD_SECONDS", 0.2)
    stage.bridge.is_silent = True
    engage()
    stage.until("starting", lambda told: "did not answer" in str(told.error))
    stage.bridge.is_silent = False
    assert stage.until("paused").pid != pid


def test_one_that_is_to_pause_stays_paused_afterwards(stage: Stage, engage: Callable[[], None]) -> None:
    engage()
    stage.want("paused")
    stage.until("paused")
    release(stage)
    stage.keeper.turn()
    assert stage.bridge.is_paused


class TestWhatIsLeft:
    @pytest.fixture(autouse=True)
    def exchanges(self, stage: Stage) -> None:
        stage.bridge.exchanges = [exchange("demo", "paper"), exchange("binance", "live")]
        # what is simulated ends with the bot, and is not even asked for
        stage.bridge.orders_of = {"binance": [resting("one"), resting("two")]}
        stage.bridge.open_orders = 5

    def left(self, client: FlaskClient, admin: SignedIn) -> list[Any]:
        answer = client.get("/api/bot/status", headers=admin.headers)
        found: list[Any] = answer.get_json()["data"]["left_orders"]
        return found

    def test_a_stopped_bot_leaves_its_orders_at_exchanges_and_says_which(
        self, stage: Stage, client: FlaskClient, admin: SignedIn
    ) -> None:
        stage.want("running")
        stage.until("running")
        assert self.left(client, admin) == []
        # as many as before, but others: it is asked again when it is stopped
        stage.bridge.orders_of["binance"] = [resting("two"), resting("three")]
        stage.want("stopped")
        stage.until("stopped")
        found = self.left(client, admin)
        assert [each["exchange_order_id"] for each in found] == ["at-binance-two", "at-binance-three"]
        assert {name: value for name, value in found[0].items() if name not in {"exchange_order_id", "seen_at"}} == {
            "exchange": "binance",
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "limit",
            "remaining": "0.03",
            "price": "40000",
            "stop_price": None,
        }
        # the next life answers for itself, and ends with nothing
        stage.bridge.orders_of["binance"], stage.bridge.open_orders = [], 0
        stage.want("running", 2)
        stage.until("running")
        stage.want("stopped", 2)
        stage.until("stopped")
        assert self.left(client, admin) == []

    def test_one_that_is_given_up_left_what_was_seen_last(
        self, stage: Stage, client: FlaskClient, admin: SignedIn
    ) -> None:
        stage.want("running")
        pid = stage.until("running").pid
        assert pid is not None
        stage.code, stage.bridge.is_silent = "raise SystemExit(1)", True
        stage.made[-1]._command[-1] = stage.code
        os.kill(pid, 9)
        stage.until("error")
        assert len(self.left(client, admin)) == 2
