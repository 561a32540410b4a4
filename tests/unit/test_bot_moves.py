"""What may be wanted of the bot, and how it is told to be."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.bot.bot import has_failed, moved
from services.bot.records import Told, Wanted, Wish, after
from utils.errors import Conflict
from utils.wire import BotMove, BotState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "move", "expected", "is_anew"),
    [
        ("stopped", "start", "running", True),
        ("running", "start", "running", False),
        ("stopped", "stop", "stopped", False),
        ("running", "stop", "stopped", False),
        ("paused", "stop", "stopped", False),
        ("running", "restart", "running", True),
        ("paused", "restart", "paused", True),
        ("running", "pause", "paused", False),
        ("paused", "pause", "paused", False),
        ("paused", "resume", "running", False),
        ("running", "resume", "running", False),
    ],
)
def test_moves(wanted: Wanted, move: BotMove, expected: Wanted, is_anew: bool) -> None:
    after_it = moved(Wish(wanted=wanted, number=3), move, has_failed=False)
    assert after_it == Wish(wanted=expected, number=4 if is_anew else 3)


@pytest.mark.parametrize(
    ("wanted", "move", "code"),
    [
        ("stopped", "pause", "bot_stopped"),
        ("stopped", "resume", "bot_stopped"),
        ("stopped", "restart", "bot_stopped"),
        ("paused", "start", "bot_paused"),
    ],
)
def test_impossible_moves(wanted: Wanted, move: BotMove, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        moved(Wish(wanted=wanted), move, has_failed=False)
    assert refused.value.code == code


@pytest.mark.parametrize("wanted", ["running", "paused"])
def test_a_bot_that_failed_can_be_started_anew_or_stopped(wanted: Wanted) -> None:
    wish = Wish(wanted=wanted, number=3)
    anew: tuple[BotMove, ...] = ("start", "restart")
    for move in anew:
        assert moved(wish, move, has_failed=True) == Wish(wanted=wanted, number=4)
    assert moved(wish, "stop", has_failed=True) == Wish(wanted="stopped", number=3)
    impossible: tuple[BotMove, ...] = ("pause", "resume")
    for move in impossible:
        with pytest.raises(Conflict) as refused:
            moved(wish, move, has_failed=True)
        assert refused.value.code == "bot_failed"


@pytest.mark.parametrize(
    ("state", "number", "wanted", "expected"),
    [
        ("error", 3, "running", True),
        ("error", 3, "paused", True),
        ("error", 2, "running", False),
        ("error", 3, "stopped", False),
        ("running", 3, "running", False),
    ],
)
def test_a_failure_belongs_to_its_wish(state: BotState, number: int, wanted: Wanted, expected: bool) -> None:
    assert has_failed(Wish(wanted=wanted, number=3), Told(state=state, since=NOW, number=number)) is expected
    assert not has_failed(Wish(wanted=wanted, number=3), None)


def test_a_state_lasts_since_it_began_and_the_last_failure_stays_with_its_wish() -> None:
    wish = Wish(wanted="running", number=1)
    before = Told(state="running", since=NOW, number=1, pid=7, error="it fell", failed_at=NOW)
    assert after(before, "running", wish, pid=7, error=None) == before

    other_process = after(before, "running", wish, pid=8, error=None)
    assert other_process.since > NOW
    assert (other_process.error, other_process.failed_at) == ("it fell", NOW)

    fallen_again = after(before, "starting", wish, pid=None, error="again")
    assert fallen_again.error == "again"
    assert fallen_again.failed_at is not None
    assert fallen_again.failed_at > NOW

    anew = after(before, "starting", Wish(wanted="running", number=2), pid=None, error=None)
    assert (anew.error, anew.failed_at, anew.number) == (None, None, 2)
