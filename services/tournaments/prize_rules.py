"""How the prize pool of a tournament is divided: among places, and the prize of a team among its members."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Literal

import msgspec

from utils.errors import FieldError, Refused
from utils.money import HUNDRED, ZERO, apportioned, is_multiple
from utils.standings import Standing
from utils.wire import Message

MOST_PLACES = 1000
CENT = Decimal("0.01")
SMALLEST = Decimal("1e-8")
"""Pools are whole numbers of this; prizes are rounded to cents, or to the last digit of a pool that has more."""


class PrizeRules(Message, frozen=True, kw_only=True):
    """Who gets how much of the pool.

    `shares` are what the first, second … place gets: `by` percent of the pool, or by amounts that make it up. Places
    that nobody took go to the others, in proportion. Who made fewer than `min_trades` trades (a team together) has no
    place. The prize of a team is split into equal parts, or by what each member's `gain` is of the team's gains.
    """

    by: Literal["percent", "amount"] = "percent"
    shares: list[Decimal] = msgspec.field(default_factory=lambda: [Decimal(50), Decimal(30), Decimal(20)])
    team_split: Literal["equal", "gain"] = "equal"
    min_trades: int = 1


def encode(rules: PrizeRules) -> str:
    """Write `rules` as the tournament's row keeps them."""
    return msgspec.json.encode(rules).decode()


def decode(text: str) -> PrizeRules:
    """Read what `encode` wrote."""
    return msgspec.json.decode(text, type=PrizeRules)


def check(rules: PrizeRules, pool: Decimal) -> None:
    """Let a tournament divide `pool` by `rules`, or refuse it; without a pool any rules will do.

    :raises Refused: `errors` name what is wrong.
    """
    if pool < 0 or not is_multiple(pool, SMALLEST):
        raise _refused("prize_pool", "invalid_pool", "Use an amount that is not negative, with up to 8 decimals.")
    if rules.min_trades < 0:
        raise _refused("prize_rules.min_trades", "invalid_min_trades", "Use 0 or more.")
    shares = rules.shares
    if not 1 <= len(shares) <= MOST_PLACES:
        raise _refused("prize_rules.shares", "invalid_shares", f"Give 1 to {MOST_PLACES} places a share.")
    if any(not share.is_finite() or share <= 0 for share in shares):
        raise _refused("prize_rules.shares", "invalid_shares", "Use shares above 0.")
    if any(before < after for before, after in pairwise(shares)):
        raise _refused("prize_rules.shares", "shares_not_descending", "No place may get more than the one before it.")
    whole = HUNDRED if rules.by == "percent" else pool
    if pool and sum(shares, ZERO) != whole:
        raise _refused("prize_rules.shares", "shares_do_not_sum", "The shares have to sum to 100 percent, or the pool.")
    if pool and rules.by == "amount" and any(not is_multiple(share, step_of(pool)) for share in shares):
        raise _refused("prize_rules.shares", "shares_too_fine", "Use no more decimals than the pool, or two.")


def step_of(pool: Decimal) -> Decimal:
    """Return what prizes are whole numbers of."""
    return min(CENT, Decimal((0, (1,), int(pool.normalize().as_tuple().exponent)))) if pool else CENT


def by_place(rules: PrizeRules, pool: Decimal, takers: int) -> list[Decimal]:
    """Return the prizes of the first places, of which `takers` are taken; they sum to the pool, unless nobody is there.

    No place gets more than the one before it.
    """
    return apportioned(pool, rules.shares[:takers], step_of(pool))


def within_team(rules: PrizeRules, prize: Decimal, members: Sequence[Standing], pool: Decimal) -> list[Decimal]:
    """Return each member's part of the team's prize; the parts sum to it.

    By gain, who gained nothing gets nothing; when nobody did, all get the same.
    """
    gains = [max(each.value - each.start, ZERO) for each in members]
    weights = gains if rules.team_split == "gain" and any(gains) else [Decimal(1) for _ in members]
    return apportioned(prize, weights, step_of(pool))


def may_win(rules: PrizeRules, standing: Standing) -> bool:
    """Tell whether somebody, or a team, made the trades that a prize takes."""
    return standing.tally.trades >= rules.min_trades


def _refused(field: str, code: str, message: str) -> Refused:
    return Refused(f"{field}: {message}", errors=(FieldError(field=field, code=code, message=message),))
