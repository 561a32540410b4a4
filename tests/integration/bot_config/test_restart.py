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


def patch(call: Caller, risk: float, query: str = "") -> tuple[bool, bool]:
    applied = call("PATCH", f"/api/config{query}", {"trading": {"risk": risk}})
    return applied["restart_required"], applied["restarted"]


def test_a_bot_that_runs_starts_anew_with_the_change_when_that_is_wanted(call: Caller, bot: FakeBot) -> None:
    assert patch(call, 0.2) == (True, False)
    assert patch(call, 0.2) == (False, False)  # all is so already
    assert bot.risks == []
    assert patch(call, 0.3, "?restart=true") == (False, True)
    assert patch(call, 0.3, "?restart=true") == (False, True)
    assert bot.risks == [0.3, 0.3]
    refused = call.raw("PATCH", "/api/config?restart=true", {"trading": {"risk": 2}})
    assert_problem(refused, 422, "validation_failed")
    assert len(bot.risks) == 2


def test_a_bot_that_is_stopped_or_does_not_want_to_leaves_the_change_as_it_is(call: Caller, bot: FakeBot) -> None:
    bot.wanted = "stopped"
    assert patch(call, 0.2, "?restart=true") == (False, False)
    bot.wanted, bot.refuses = "running", True
    assert patch(call, 0.3, "?restart=true") == (True, False)
    assert call("GET", "/api/config")["bot"]["config"]["trading"]["risk"] == 0.3
    assert bot.risks == []
