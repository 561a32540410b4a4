"""The installation's kill switch, as the keeper of the bot goes by it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from sqlalchemy import delete

import worker.bot
from models import KillSwitch
from tests.factories import SignedIn
from tests.integration.bot.stage import Stage
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
