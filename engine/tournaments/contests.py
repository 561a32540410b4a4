"""The tournaments whose accounts are in memory: when they may trade, as SQL has it.

Web workers and the worker write tournaments; the engine looks at those it knows once a second, and at one whose account
it is about to refuse: nobody is refused for longer than SQL says. An end that the schedule knows counts by the clock.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from engine.journal.records import AccountRecord
from engine.orders import drafts
from engine.orders.drafts import Draft
from engine.tournaments.records import Contest, Entry, TournamentRecords
from utils import clock
from utils.errors import Conflict, NotFound, Refused, StorageUnavailable

_log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
FINAL = frozenset({"finished", "cancelled"})
NOWHERE = Entry(tournament="", symbols=frozenset(), max_leverage=None)
"""The entry of an account whose owner has left the tournament."""


class Contests:
    """Know the tournaments whose accounts came into memory."""

    def __init__(self, records: TournamentRecords) -> None:
        self._records = records
        self._known: dict[str, Contest] = {}

    async def enter(self, record: AccountRecord) -> AccountRecord:
        """Return the record of an account with what its tournament lets it do, if it has one."""
        if record.kind != "tournament":
            return record
        entry = await asyncio.to_thread(self._records.entry, record.id)
        if entry is not None:
            await self.read(entry.tournament)
        return replace(record, entry=entry or NOWHERE)

    async def read(self, tournament_id: str) -> Contest:
        """Look at a tournament anew. :raises NotFound: there is none."""
        for contest in await asyncio.to_thread(self._records.contests, [tournament_id]):
            self._known[contest.id] = contest
            return contest
        raise NotFound("There is no such tournament.", code="tournament_not_found")

    def get(self, tournament_id: str) -> Contest | None:
        """Return a tournament as it was a moment ago."""
        return self._known.get(tournament_id)

    async def held(self, tournament_id: str) -> set[str]:
        """Return the markets in which participants hold something."""
        return await asyncio.to_thread(self._records.held, tournament_id)

    async def last_traded(self, tournament_id: str, symbol: str) -> Decimal | None:
        """Return the price at which a participant traded last in a market."""
        return await asyncio.to_thread(self._records.last_traded, tournament_id, symbol)

    async def look(self) -> None:
        """Look at all known tournaments anew that are not over for good."""
        ids = [each.id for each in self._known.values() if each.status not in FINAL]
        for contest in await asyncio.to_thread(self._records.contests, ids) if ids else ():
            self._known[contest.id] = contest

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            try:
                await self.look()
            except StorageUnavailable as error:
                _log.warning("tournaments are as they were a moment ago: %s", error.detail)
            await asyncio.sleep(LOOK_SECONDS)


class Seat:
    """What an account's tournament says to what it wants; to one that is in none nothing at all."""

    def __init__(self, contests: Contests, entry: Entry | None) -> None:
        self._contests = contests
        self._entry = entry

    async def check_open(self) -> None:
        """Refuse what comes before the start or after the end.

        :raises Conflict: `tournament_left`, `tournament_not_started`, `tournament_over`.
        """
        now = clock.now()
        contest = await self._going_on(now)
        if contest is not None and not contest.is_open(now):
            raise Conflict("The tournament has not started yet.", code="tournament_not_started")

    async def check_not_over(self) -> None:
        """Refuse what comes after the end; before the start it may be.

        :raises Conflict: `tournament_left`, `tournament_over`.
        """
        await self._going_on(clock.now())

    def symbol(self, draft: Draft) -> Refused | None:
        """Refuse a market that the tournament is not about, also when the order reduces: what is held is from there."""
        if self._entry is None or draft.ticket.symbol in self._entry.symbols:
            return None
        return drafts.refuse("tournament_symbol_not_allowed", "symbol", "The tournament is not about this market.")

    @property
    def is_over(self) -> bool:
        """Tell whether the tournament has ended: what is open waits to be closed, and nothing fills."""
        if self._entry is None:
            return False
        contest = self._contests.get(self._entry.tournament)
        return contest is None or contest.is_over(clock.now())

    def until(self, now: datetime) -> datetime:
        """Return `now`, or the end of the tournament when that was before: time does no more to the account."""
        contest = None if self._entry is None else self._contests.get(self._entry.tournament)
        return now if contest is None else min(now, contest.ends_at)

    async def _going_on(self, now: datetime) -> Contest | None:
        """Return the tournament, None without one. :raises Conflict: `tournament_left`, `tournament_over`."""
        if self._entry is None:
            return None
        if self._entry is NOWHERE:
            raise Conflict("You have left this tournament.", code="tournament_left")
        contest = self._contests.get(self._entry.tournament)
        if contest is None or not contest.is_open(now):
            contest = await self._contests.read(self._entry.tournament)
        if contest.is_over(now):
            raise Conflict("The tournament is over.", code="tournament_over")
        return contest
