from __future__ import annotations

import pytest

from engine.exchanges.breaker import MAX_OPEN_SECONDS, Breaker
from utils.errors import EngineUnavailable


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("binance", 5, 10, clock)


def _is_open(breaker: Breaker) -> bool:
    try:
        breaker.check()
    except EngineUnavailable as error:
        assert error.code == "exchange_unavailable"
        assert error.retry_after is not None
        return True
    return False


def test_opens_after_five_failures_in_a_row_and_lets_one_try_when_time_is_up(breaker: Breaker, clock: Clock) -> None:
    for _ in range(4):
        breaker.failed()
    breaker.succeeded()
    for _ in range(4):
        breaker.failed()
    assert not _is_open(breaker)
    breaker.failed()
    assert _is_open(breaker)
    clock.now += 10
    assert not _is_open(breaker)
    assert _is_open(breaker), "the others wait for what comes of the first"
    breaker.succeeded()
    assert not _is_open(breaker)


def test_a_failed_trial_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    for _ in range(5):
        breaker.failed()
    clock.now += 10
    breaker.check()
    breaker.failed()
    assert _is_open(breaker)


def test_waits_as_long_as_the_exchange_asks(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(retry_after=60)
    assert _is_open(breaker)
    clock.now += 59
    assert _is_open(breaker)
    clock.now += 1
    assert not _is_open(breaker)


def test_never_stays_open_for_longer_than_half_a_minute(clock: Clock) -> None:
    breaker = Breaker("binance", 1, 600, clock)
    breaker.failed()
    clock.now += MAX_OPEN_SECONDS
    assert not _is_open(breaker)
