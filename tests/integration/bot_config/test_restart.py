"""A bot that runs goes by a change after its next start, which can be asked for with the change."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.factories import services_of
from tests.integration.bot_config.caller import Caller
from tests.problems import assert_problem
from utils.errors import Conflict
from utils.home import Home


class FakeBot:
    """A bot that is told to start anew, and may refuse."""

    def __init__(self, wanted: str = "running") -> None:
        self.wanted = wanted
        self.refuses = False
        self.risks: list[Any] = []
        self.home: Home | None = None

    def status(self) -> Any:
        return SimpleNamespace(wanted=self.wanted)

    def move(self, _principal: Any, _origin: Any, move: str, /) -> None:
        assert move == "restart"
        if self.refuses:
            raise Conflict("The bot is stopped.", code="bot_stopped")
        assert self.home is not None
        self.risks.append(self.home.profile().config["trading"]["risk"])


@pytest.fixture
def bot(call: Caller, home: Home) -> FakeBot:
    made = FakeBot()
    made.home = home
    services_of(call.app).config_changes._bot = made
    return made


def test_a_bot_that_runs_has_to_start_anew(call: Caller, bot: FakeBot) -> None:
    applied = call("PATCH", "/api/config", {"trading": {"risk": 0.2}})
    assert (applied["restart_required"], applied["restarted"]) == (True, False)
    same = call("PATCH", "/api/config", {"trading": {"risk": 0.2}})
    assert (same["restart_required"], same["restarted"]) == (False, False)
    assert bot.risks == []


def test_it_starts_anew_with_the_change_when_that_is_wanted(call: Caller, bot: FakeBot) -> None:
    for path, body in (
        ("/api/config?restart=true", {"trading": {"risk": 0.2}}),
        ("/api/config?restart=true", {"trading": {"risk": 0.2}}),
    ):
        applied = call("PATCH", path, body)
        assert (applied["restart_required"], applied["restarted"]) == (False, True)
    assert bot.risks == [0.2, 0.2]


def test_nothing_restarts_when_a_change_is_refused(call: Caller, bot: FakeBot) -> None:
    assert_problem(call.raw("PATCH", "/api/config?restart=true", {"trading": {"risk": 2}}), 422, "validation_failed")
    assert bot.risks == []


def test_a_bot_that_is_stopped_starts_with_it_some_time(call: Caller, bot: FakeBot) -> None:
    bot.wanted = "stopped"
    applied = call("PATCH", "/api/config?restart=true", {"trading": {"risk": 0.2}})
    assert (applied["restart_required"], applied["restarted"]) == (False, False)
    assert bot.risks == []


def test_a_bot_that_does_not_want_to_leaves_the_change_as_it_is(call: Caller, bot: FakeBot) -> None:
    bot.refuses = True
    applied = call("PATCH", "/api/config?restart=true", {"trading": {"risk": 0.2}})
    assert (applied["restart_required"], applied["restarted"]) == (True, False)
    assert call("GET", "/api/config")["bot"]["config"]["trading"]["risk"] == 0.2
