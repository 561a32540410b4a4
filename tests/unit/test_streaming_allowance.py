"""What a user may ask for: at once, and as time goes by."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streaming.allowance import Allowance
from utils.errors import TooMany

Later = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let seconds go by."""
    now = 1000.0

    def pass_by(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("streaming.allowance.time.monotonic", lambda: now)
    return pass_by


def wait_for(allowance: Allowance, user: str, count: int) -> int | None:
    """Return what a user is told to wait when they ask for `count` things, None when they get them."""
    try:
        allowance.take(user, count)
    except TooMany as error:
        assert error.code == "rate_limited"
        return error.retry_after
    return None


def test_comes_back_as_time_goes_by(later: Later) -> None:
    allowance = Allowance(at_once=10, per_second=2)
    assert wait_for(allowance, "ada", 8) is None
    assert wait_for(allowance, "ada", 5) == 2  # three are missing
    assert wait_for(allowance, "ada", 2) is None  # what was refused cost nothing
    later(2)
    assert wait_for(allowance, "ada", 5) == 1
    assert wait_for(allowance, "ada", 4) is None
    later(60)
    assert wait_for(allowance, "ada", 11) == 1  # it does not grow beyond
    assert wait_for(allowance, "ada", 10) is None


def test_everybody_has_their_own_and_is_forgotten(later: Later) -> None:
    allowance = Allowance(at_once=10, per_second=2)
    for user in ("ada", "bob"):
        assert wait_for(allowance, user, 10) is None
    later(3)
    assert wait_for(allowance, "ada", 6) is None
    later(2)
    assert wait_for(allowance, "eve", 1) is None
    assert set(allowance._whole_at) == {"ada", "eve"}
