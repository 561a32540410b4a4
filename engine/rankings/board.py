"""The ranking of one tournament in memory: all participants are valued at the same prices."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from engine.accounts.equity import Rates
from engine.journal.holdings import Owned
from engine.markets.markets import Markets
from engine.rankings.records import Entry, Running
from models.standings import CountedTrade
from utils.standings import Place, Standing, in_order, ranked, together
from utils.wire import RankRow

AT_ONCE = 100
"""Participants that are valued before requests have their turn: about a millisecond."""

SHORTEST_PAST = timedelta(minutes=1)
MOST_PAST = 200
"""Moments of a tournament whose ranks are kept: more often than this no chart shows."""


class Entrant(msgspec.Struct, kw_only=True):
    """Somebody who takes part; `owned` is what they held after their last change, None before it was read."""

    account_id: str
    team_id: str | None
    standing: Standing
    owned: Owned | None = None


class Table:
    """A ranking as it was at one moment; it does not change any more."""

    def __init__(self, rows: list[RankRow], as_of: datetime) -> None:
        self.rows = rows
        self.as_of = as_of
        self._places = {row.id: place for place, row in enumerate(rows)}

    def row(self, id: str) -> RankRow | None:
        """Return the row of a participant or team."""
        place = self._places.get(id)
        return None if place is None else self.rows[place]


class Unstored(NamedTuple):
    """Standings to be stored, and the tables that tell them."""

    participants: list[Standing]
    teams: list[Standing]
    participants_as_told: Table | None
    teams_as_told: Table | None


class Board:
    """Keep the ranking of a tournament up."""

    def __init__(self, tournament: Running, teams: dict[str, Standing], past_until: datetime | None) -> None:
        self.tournament = tournament
        self.entrants: dict[str, Entrant] = {}
        """By account."""
        self.unread: set[str] = set()
        """Accounts that have changed since they were read."""
        self.participants: Table | None = None
        self.teams: Table | None = None
        self._teams = teams
        self._stored: dict[str, RankRow] = {}
        self._past_until = past_until

    def add(self, entry: Entry) -> None:
        """Let somebody take part, who has to be read first."""
        if entry.account_id not in self.entrants:
            self.entrants[entry.account_id] = Entrant(
                account_id=entry.account_id, team_id=entry.team_id, standing=entry.standing
            )
            self.unread.add(entry.account_id)

    def counted(self, accounts: Iterable[str]) -> dict[str, str | None]:
        """Return the newest trade of each account that is counted already."""
        return {account: self.entrants[account].standing.tally.last_trade_id for account in accounts}

    def take(self, owned: Iterable[Owned], trades: Iterable[CountedTrade]) -> None:
        """Note what accounts hold now and what they have traded."""
        for each in owned:
            self.entrants[each.account].owned = each
        for trade in trades:
            self.entrants[trade.account_id].standing.tally.count(trade.id, trade.volume, trade.gain)

    async def update(self, markets: Markets, moment: datetime) -> None:
        """Value and rank everybody; who holds what has no price at present stands where they stood.

        After the end everybody does, until they are closed: what prices do then is nobody's peak or fall.
        """
        is_over = moment >= self.tournament.ends_at
        rates: dict[str, Rates] = {}
        placed: list[tuple[Place, Standing]] = []
        # in the order of the last round, which is nearly that of this one: sorting is quick then
        for number, entrant in enumerate(sorted(self.entrants.values(), key=lambda each: each.standing.rank)):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            worth = None if is_over else _worth(entrant.owned, markets, rates)
            if worth is not None:
                entrant.standing.observe(worth, moment)
            placed.append((entrant.standing.place, entrant.standing))
        self.participants = await _table(in_order(placed), moment)
        self._add_up_teams(moment)
        self.teams = await _table(ranked(self._teams.values()), moment)

    async def unstored(self) -> Unstored:
        """Return copies of what is not as it was when it was last stored."""
        copies: list[list[Standing]] = []
        for table, standings in (
            (self.participants, [each.standing for each in self.entrants.values()]),
            (self.teams, list(self._teams.values())),
        ):
            copies.append([])
            for number, standing in enumerate(standings):
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)
                row = None if table is None else table.row(standing.id)
                if row is not None and self._stored.get(standing.id) != row:
                    copies[-1].append(replace(standing, tally=replace(standing.tally)))
        return Unstored(copies[0], copies[1], self.participants, self.teams)

    def mark_stored(self, stored: Unstored) -> None:
        """Note that SQL has this."""
        for table in (stored.participants_as_told, stored.teams_as_told):
            if table is not None:
                self._stored.update((row.id, row) for row in table.rows)

    def due_past(self, moment: datetime) -> datetime | None:
        """Return the moment under which the present ranks belong into the past, None when they do not yet."""
        begun, length = self.tournament.starts_at, self.tournament.ends_at - self.tournament.starts_at
        step = max(length / MOST_PAST, SHORTEST_PAST)
        at = begun + (moment - begun) // step * step
        return at if self._past_until is None or at > self._past_until else None

    def mark_past(self, at: datetime) -> None:
        """Note that the ranks of a moment are in the past."""
        self._past_until = at

    def _add_up_teams(self, moment: datetime) -> None:
        members: dict[str, list[Standing]] = defaultdict(list)
        for entrant in self.entrants.values():
            if entrant.team_id is not None:
                members[entrant.team_id].append(entrant.standing)
        self._teams = {
            team: together(team, standings, self._teams.get(team), moment) for team, standings in members.items()
        }


def _worth(owned: Owned | None, markets: Markets, rates: dict[str, Rates]) -> Decimal | None:
    if owned is None or owned.exchange not in markets:
        return None
    if owned.exchange not in rates:
        rates[owned.exchange] = Rates(markets.get(owned.exchange))
    return rates[owned.exchange].worth(owned)


async def _table(standings: list[Standing], as_of: datetime) -> Table:
    rows = []
    for number, standing in enumerate(standings):
        if number % (4 * AT_ONCE) == 0:
            await asyncio.sleep(0)
        rows.append(_row(standing))
    return Table(rows, as_of)


def _row(standing: Standing) -> RankRow:
    tally = standing.tally
    return RankRow(
        id=standing.id,
        rank=standing.rank,
        value=standing.value,
        max_drawdown=standing.max_drawdown,
        trades=tally.trades,
        wins=tally.wins,
        losses=tally.losses,
        volume=tally.volume,
        reached_at=standing.reached_at,
    )
