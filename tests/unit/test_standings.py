"""Standings kept up from moment to moment, held against one reckoning of everything anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.money import ZERO
from utils.standings import Standing, Tally, ranked, together

START = Decimal(1000)
BEGUN = datetime(2026, 5, 1, tzinfo=UTC)

# few different ones, so that there are ties
values = st.sampled_from([Decimal(each) for each in ("0", "400.5", "900", "1000", "1000.1", "1500", "2000")])
courses = st.lists(st.lists(values, min_size=6, max_size=6), min_size=1, max_size=8)
gains = st.none() | st.sampled_from([Decimal(each) for each in ("-3", "0", "0.5", "12")])
fills = st.lists(st.tuples(st.decimals("0.01", "1e6", places=2), gains), max_size=30)


def at(minute: int) -> datetime:
    """Return a moment of the tournament."""
    return BEGUN + timedelta(minutes=minute)


def followed(name: str, course: list[Decimal]) -> Standing:
    """Return how somebody stands after these values, one a minute."""
    standing = Standing.opening(name, START, BEGUN)
    for minute, value in enumerate(course, start=1):
        standing.observe(value, at(minute))
    return standing


def naive_drawdown(course: list[Decimal]) -> Decimal:
    """Return the deepest fall between any two moments, in percent of the former."""
    falls = [1 - after / before for n, before in enumerate(course) for after in course[n:] if before]
    return (max(falls, default=ZERO) * 100).quantize(Decimal("0.0001"))


@given(st.lists(values, max_size=20))
def test_a_course_is_what_all_its_values_say(course: list[Decimal]) -> None:
    standing, whole = followed("a", course), [START, *course]
    assert standing.value == whole[-1]
    assert standing.peak == max(whole)
    assert standing.max_drawdown == max(naive_drawdown(whole), ZERO)
    since = len(whole) - len(list(next(group for _, group in groupby(reversed(whole)))))
    assert standing.reached_at == at(since)


@given(courses)
def test_the_ranking_is_the_one_that_anybody_would_make(all_courses: list[list[Decimal]]) -> None:
    standings = [followed(f"{number:02}", course) for number, course in enumerate(all_courses)]
    order = ranked(standings)
    assert sorted(each.rank for each in standings) == list(range(1, len(standings) + 1))
    for better in order:
        for worse in order[better.rank :]:
            told = (better.value - worse.value, worse.max_drawdown - better.max_drawdown)
            decided = next((each for each in told if each), None)
            if decided is None:
                assert (better.reached_at, better.id) < (worse.reached_at, worse.id)
            else:
                assert decided > 0


def test_ties_go_to_the_smaller_drawdown_and_then_to_who_was_there_first() -> None:
    calm = followed("z", [Decimal(1000), Decimal(1200)])
    fallen = followed("a", [Decimal(500), Decimal(1200)])
    early = followed("y", [Decimal(1200), Decimal(1200)])
    assert [each.id for each in ranked([fallen, calm, early])] == ["y", "z", "a"]


@given(fills, st.data())
def test_a_tally_counts_every_trade_once(trades: list[tuple[Decimal, Decimal | None]], data: st.DataObject) -> None:
    tally = Tally()
    told = 0
    while told < len(trades):  # what was told before is told again, as after a restart
        told = data.draw(st.integers(told + 1, len(trades)))
        for number, (volume, gain) in enumerate(trades[:told]):
            tally.count(f"{number:04}", volume, gain)
    closed = [gain for _, gain in trades if gain is not None]
    wins = sum(gain > 0 for gain in closed)
    assert (tally.trades, tally.wins, tally.losses) == (len(trades), wins, len(closed) - wins)
    assert tally.volume == sum((volume for volume, _ in trades), ZERO)
    if closed:
        assert tally.win_rate == (Decimal(wins) * 100 / len(closed)).quantize(Decimal("0.0001"))
    else:
        assert tally.win_rate is None


@given(courses)
def test_a_team_is_the_money_of_its_members_in_one(all_courses: list[list[Decimal]]) -> None:
    members = [Standing.opening(f"{number}", START, BEGUN) for number in range(len(all_courses))]
    team: Standing | None = None
    sums = [START * len(members)]
    for minute in range(1, 7):
        for member, course in zip(members, all_courses, strict=True):
            member.observe(course[minute - 1], at(minute))
        team = together("team", members, team, at(minute))
        sums.append(sum((course[minute - 1] for course in all_courses), ZERO))
    assert team is not None
    assert (team.start, team.value, team.peak) == (sums[0], sums[-1], max(sums))
    assert team.max_drawdown == max(naive_drawdown(sums), ZERO)


@pytest.mark.parametrize(
    ("value", "percent"), [("1000", "0"), ("1234.5678", "23.4568"), ("0", "-100"), ("-50", "-105")]
)
def test_returns_are_in_percent_of_the_start(value: str, percent: str) -> None:
    assert followed("a", [Decimal(value)]).return_percent == Decimal(percent)
