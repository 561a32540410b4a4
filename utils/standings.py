"""The standing of a participant in a tournament: computed by the engine while it runs, by the settlement at its end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from utils.money import ONE, ZERO, percent

Place = tuple[Decimal, Decimal, datetime, str]
"""What standings are sorted by."""


class Tally(msgspec.Struct, kw_only=True):
    """What trades add up to.

    `losses` are the closing trades that gained nothing; `volume` is in the tournament's currency. `last_trade_id` is
    the newest trade that was counted: ids of one account's trades grow, so each is counted once.
    """

    trades: int = 0
    wins: int = 0
    losses: int = 0
    volume: Decimal = ZERO
    last_trade_id: str | None = None

    def count(self, trade_id: str, volume: Decimal, gain: Decimal | None) -> bool:
        """Count a trade that realised `gain` (None: it closed nothing), and tell whether it is a new one."""
        if self.last_trade_id is not None and trade_id <= self.last_trade_id:
            return False
        self.last_trade_id = trade_id
        self.trades += 1
        self.volume += volume
        if gain is not None:
            self.wins += gain > 0
            self.losses += gain <= 0
        return True

    @property
    def win_rate(self) -> Decimal | None:
        """Return how many percent of the closing trades gained; None without any."""
        return win_rate(self.wins, self.losses)


class Standing(msgspec.Struct, kw_only=True):
    """What somebody, or a team, made of `start`.

    `peak` is the highest value so far, `max_drawdown` the deepest fall below an earlier peak, in percent of it, and
    `reached_at` since when the value is what it is. `rank` begins at 1; 0 before the first ranking.
    """

    id: str
    start: Decimal
    value: Decimal
    peak: Decimal
    reached_at: datetime
    max_drawdown: Decimal = ZERO
    tally: Tally = msgspec.field(default_factory=Tally)
    rank: int = 0

    @classmethod
    def opening(cls, id: str, start: Decimal, at: datetime) -> Standing:
        """Return how somebody stands who has done nothing yet."""
        return cls(id=id, start=start, value=start, peak=start, reached_at=at)

    def observe(self, value: Decimal, at: datetime) -> bool:
        """Note what there is at a moment, and tell whether that has changed; the same value twice counts once."""
        if value == self.value:
            return False
        self.value, self.reached_at = value, at
        if value > self.peak:
            self.peak = value
        elif self.peak > 0:
            self.max_drawdown = max(self.max_drawdown, percent(ONE - value / self.peak))
        return True

    @property
    def return_percent(self) -> Decimal:
        """Return the gain in percent of the start."""
        return return_percent(self.value, self.start)

    @property
    def place(self) -> Place:
        """Return where this belongs: the better return first, then the smaller drawdown, then who was there first."""
        share = self.value / self.start if self.start > 0 else ZERO
        return (-share, self.max_drawdown, self.reached_at, self.id)


def ranked(standings: Iterable[Standing]) -> list[Standing]:
    """Return standings from the best to the last, each with its rank; no two have the same."""
    return in_order([(each.place, each) for each in standings])


def in_order(placed: list[tuple[Place, Standing]]) -> list[Standing]:
    """Return standings by their places, as `ranked` does, for those who computed the places in parts."""
    placed.sort()  # places differ, so that standings are never compared
    for rank, (_, standing) in enumerate(placed, start=1):
        standing.rank = rank
    return [standing for _, standing in placed]


def together(id: str, members: Iterable[Standing], before: Standing | None, at: datetime) -> Standing:
    """Return how a team stands: its members' money in one, with peak and drawdown of its own.

    :param before: how it stood, None at first. Teams have at least one member, and keep them.
    """
    everybody = list(members)
    team = before or Standing.opening(id, sum((each.start for each in everybody), ZERO), at)
    team.observe(sum((each.value for each in everybody), ZERO), at)
    team.tally = Tally(
        trades=sum(each.tally.trades for each in everybody),
        wins=sum(each.tally.wins for each in everybody),
        losses=sum(each.tally.losses for each in everybody),
        volume=sum((each.tally.volume for each in everybody), ZERO),
    )
    return team


def return_percent(value: Decimal, start: Decimal) -> Decimal:
    """Return what `value` is more than `start`, in percent of it, to four places."""
    return percent(value / start - ONE) if start > 0 else ZERO


def win_rate(wins: int, losses: int) -> Decimal | None:
    """Return how many percent of the closing trades gained; None without any."""
    closed = wins + losses
    return percent(Decimal(wins) / closed) if closed else None
