"""Prizes sum to the pool to the last digit, whatever the pool, the shares and the number of winners."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tournaments.prize_rules import (
    MOST_PLACES,
    PrizeRules,
    by_place,
    check,
    decode,
    encode,
    may_win,
    step_of,
    within_team,
)
from utils.errors import Refused
from utils.money import HUNDRED, ZERO, apportioned, is_multiple
from utils.standings import Standing

NOW = datetime(2026, 5, 1, tzinfo=UTC)
pools = st.decimals("0.00000001", "10000000", places=8) | st.decimals("0.01", "1000000", places=2)
weights = st.lists(st.decimals("0", "1000", places=3), min_size=1, max_size=40)


@st.composite
def percentages(draw: st.DrawFn) -> list[Decimal]:
    """Return shares in percent, the largest first."""
    drawn = draw(st.lists(st.integers(1, 1000), min_size=1, max_size=30))
    parts = apportioned(HUNDRED, [Decimal(each) for each in drawn], Decimal("0.001"))
    return sorted((each for each in parts if each), reverse=True)


@given(pools, weights)
def test_parts_sum_to_the_whole_and_are_a_step_off_at_most(total: Decimal, given_weights: list[Decimal]) -> None:
    step = step_of(total)
    parts = apportioned(total, given_weights, step)
    if not sum(given_weights):
        assert set(parts) == {ZERO}
        return
    assert sum(parts) == total
    for part, weight in zip(parts, given_weights, strict=True):
        assert is_multiple(part, step)
        assert abs(part - total * weight / sum(given_weights)) < step


@given(pools, percentages(), st.integers(0, 40))
def test_prizes_sum_to_the_pool_and_descend(pool: Decimal, shares: list[Decimal], takers: int) -> None:
    rules = PrizeRules(shares=shares)
    check(rules, pool)
    prizes = by_place(rules, pool, takers)
    assert len(prizes) == min(takers, len(shares))
    assert sum(prizes) == (pool if takers else 0)
    assert prizes == sorted(prizes, reverse=True)
    assert decode(encode(rules)) == rules


@given(st.lists(st.decimals("0.01", "10000", places=2), min_size=1, max_size=20))
def test_amounts_are_paid_as_they_are_announced(amounts: list[Decimal]) -> None:
    amounts.sort(reverse=True)
    rules = PrizeRules(by="amount", shares=amounts)
    check(rules, sum(amounts, ZERO))
    assert by_place(rules, sum(amounts, ZERO), len(amounts) + 3) == amounts


@given(pools, st.lists(st.decimals("0", "3000", places=2), min_size=1, max_size=12), st.sampled_from(["equal", "gain"]))
def test_members_share_all_of_a_teams_prize(prize: Decimal, values: list[Decimal], split: str) -> None:
    rules = PrizeRules(team_split=split)  # type: ignore[arg-type]
    members = [_standing(str(number), value) for number, value in enumerate(values)]
    parts = within_team(rules, prize, members, prize)
    assert sum(parts) == prize
    if split == "gain" and any(value > 1000 for value in values):
        assert all(not part for part, value in zip(parts, values, strict=True) if value <= 1000)
    else:
        assert max(parts) - min(parts) <= step_of(prize)


def test_prizes_by_hand() -> None:
    rules = PrizeRules()
    assert by_place(rules, Decimal(1000), 200) == [500, 300, 200]
    assert by_place(rules, Decimal(1000), 2) == [625, 375]
    assert by_place(rules, Decimal(1000), 0) == []
    thirds = PrizeRules(shares=[Decimal("33.4"), Decimal("33.3"), Decimal("33.3")])
    assert by_place(thirds, Decimal("0.05"), 3) == [Decimal("0.02"), Decimal("0.02"), Decimal("0.01")]
    assert by_place(rules, Decimal("3e-8"), 3) == [Decimal("1e-8")] * 3
    gained = [_standing("a", Decimal(1300)), _standing("b", Decimal(900)), _standing("c", Decimal(1100))]
    by_gain = within_team(PrizeRules(team_split="gain"), Decimal(100), gained, Decimal(100))
    assert by_gain == [75, 0, 25]


def test_who_does_not_trade_wins_nothing() -> None:
    idle, trader = _standing("a", Decimal(1000)), _standing("b", Decimal(900))
    trader.tally.count("1", Decimal(5), None)
    assert [may_win(PrizeRules(), each) for each in (idle, trader)] == [False, True]
    assert may_win(PrizeRules(min_trades=0), idle)


@pytest.mark.parametrize(
    ("pool", "rules", "code"),
    [
        ("-1", {}, "invalid_pool"),
        ("0.000000001", {}, "invalid_pool"),
        ("100", {"shares": []}, "invalid_shares"),
        ("100", {"shares": ["100", "0"]}, "invalid_shares"),
        ("100", {"shares": ["40", "60"]}, "shares_not_descending"),
        ("100", {"shares": ["60", "39"]}, "shares_do_not_sum"),
        ("100", {"by": "amount", "shares": ["60", "39"]}, "shares_do_not_sum"),
        ("100", {"by": "amount", "shares": ["60.005", "39.995"]}, "shares_too_fine"),
        ("100", {"by": "amount", "shares": ["60", "39.995", "0.005"]}, "shares_too_fine"),
        ("100", {"shares": ["Infinity"]}, "invalid_shares"),
        ("100", {"shares": ["NaN", "50"]}, "invalid_shares"),
        ("100", {"shares": ["0.1"] * (MOST_PLACES + 1)}, "invalid_shares"),
        ("100", {"min_trades": -1}, "invalid_min_trades"),
    ],
)
def test_rules_that_cannot_hold_are_refused(pool: str, rules: dict[str, object], code: str) -> None:
    if isinstance(shares := rules.get("shares"), list):
        rules["shares"] = [Decimal(each) for each in shares]
    with pytest.raises(Refused) as refused:
        check(PrizeRules(**rules), Decimal(pool))  # type: ignore[arg-type]
    assert refused.value.errors[0].code == code


def test_rules_at_the_edge_of_what_can_hold() -> None:
    check(PrizeRules(shares=[HUNDRED], min_trades=0), Decimal(7))
    check(PrizeRules(shares=[Decimal("0.1")] * MOST_PLACES), HUNDRED)
    # nothing is divided yet
    for by in ("percent", "amount"):
        check(PrizeRules(by=by, shares=[Decimal("0.001")]), ZERO)


def _standing(name: str, value: Decimal) -> Standing:
    standing = Standing.opening(name, Decimal(1000), NOW)
    standing.observe(value, NOW)
    return standing
