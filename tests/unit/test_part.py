"""How long a process is said to have lived, and what that makes of its deaths."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import pytest

from utils.part import Part

STEADY = 0.05


@pytest.fixture
def part() -> Iterator[Part]:
    command = [sys.executable, "-S", "-E", "-c", "import time; time.sleep(600)"]
    made = Part("sleeper", command, environment=dict(os.environ), steady_seconds=STEADY)
    yield made
    made.kill()


def lived(part: Part, *, is_silent: bool) -> int:
    """Kill one that lived for longer than a steady part has to, and return how many deaths in a row that makes."""
    started = time.monotonic()
    part.start()
    time.sleep(STEADY * 2)
    part.kill(heard=started if is_silent else None)
    assert part.reap() == "killed by SIGKILL"
    return part.deaths


def test_one_that_lived_long_begins_a_new_row_of_deaths(part: Part) -> None:
    assert [lived(part, is_silent=False) for _ in range(3)] == [1, 1, 1]


def test_one_that_hung_has_lived_until_it_was_heard_last(part: Part) -> None:
    assert [lived(part, is_silent=True) for _ in range(3)] == [1, 2, 3]
    assert lived(part, is_silent=False) == 1
