"""Rankings of tournaments as the engine keeps them up, and as both sides of the bridge speak of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from utils.wire.base import Message, Request


class RankRow(Message, frozen=True, kw_only=True, gc=False):
    """One row of a ranking; `id` is the participant's or the team's, `losses` are closing trades that gained nothing.

    `value` and `volume` are in the tournament's currency, `max_drawdown` is in percent.
    """

    id: str
    rank: int
    value: Decimal
    max_drawdown: Decimal
    trades: int
    wins: int
    losses: int
    volume: Decimal
    reached_at: datetime


class Ranking(Message, frozen=True, kw_only=True):
    """A part of a ranking that has `count` rows, as it was at `as_of`."""

    rows: list[RankRow]
    count: int
    as_of: datetime


class GetRanking(Request, frozen=True, kw_only=True):
    """Tell how the participants of a running tournament stand, or its teams: some ranks, or the one of `id`."""

    tournament: str
    teams: bool = False
    after: int = 0
    limit: int = 50
    id: str | None = None


class StoreRanking(Request, frozen=True, kw_only=True):
    """Store how the participants of a tournament stand now; answered when SQL has it."""

    tournament: str
