"""When a polled exchange counts as mute: against a clock, without an exchange."""

from __future__ import annotations

from engine.exchanges.pulse import MANY_MARKETS, QUIET_FACTOR, Pulse, Sign

MUTE = 60.0


def test_a_pulse_that_was_never_felt_is_not_mute() -> None:
    pulse = Pulse(MUTE)
    assert not pulse.is_mute(1e9)
    assert pulse.price_age(1e9) is None


def test_answers_without_a_sign_of_life_are_mute() -> None:
    pulse = Pulse(MUTE)
    for now in range(0, 100, 3):
        pulse.note({"A": Sign(1000, (1,)), "B": Sign(1000, (2,))}, now)
        assert pulse.is_mute(now) == (now > MUTE)
    assert pulse.ages(99) == {"A": 99, "B": 99}
    pulse.note({"A": Sign(1000, (1,)), "B": Sign(1000, (3,))}, 100)
    assert not pulse.is_mute(100)
    assert pulse.ages(100) == {"A": 100, "B": 0}


def test_a_newer_time_stamp_is_a_sign_of_life_and_an_older_one_is_none() -> None:
    pulse = Pulse(MUTE)
    for now in range(0, 300, 3):
        pulse.note({"A": Sign(now * 1000, (1,))}, now)
        assert not pulse.is_mute(now)
    assert pulse.price_age(300) == 300
    for now in range(300, 400, 3):
        pulse.note({"A": Sign(1000, (1,))}, now)
    assert pulse.is_mute(399)


def test_an_exchange_without_time_stamps_lives_by_its_prices() -> None:
    pulse = Pulse(MUTE)
    for now in range(0, 300, 50):
        pulse.note({"A": Sign(None, (now,)), "B": Sign(None, (1,))}, now)
        assert not pulse.is_mute(now + 50)
    assert pulse.is_mute(250 + MUTE + 1)


def test_many_markets_do_not_all_stand_still_whatever_the_clock_says() -> None:
    for count, expected in ((MANY_MARKETS, True), (MANY_MARKETS - 1, False)):
        pulse = Pulse(MUTE)
        end = int(QUIET_FACTOR * MUTE) + 3
        for now in range(0, end + 1, 3):
            pulse.note({str(number): Sign(now * 1000, (1,)) for number in range(count)}, now)
        assert pulse.is_mute(end) is expected
        assert not pulse.is_mute(end - 6)


def test_one_market_may_be_quiet_for_longer_than_the_exchange() -> None:
    pulse = Pulse(MUTE)
    for now in range(0, 700, 3):
        pulse.note({"A": Sign(None, (now,)), "B": Sign(None, (1,))}, now)
        assert pulse.is_dead("B", now) == (now > QUIET_FACTOR * MUTE)
    assert pulse.dead(["A", "B", "C"], 699) == ["B", "C"]
