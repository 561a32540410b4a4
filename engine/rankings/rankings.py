"""Rankings of running tournaments: updated once a second from commits and prices, stored every few seconds."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from datetime import datetime
from itertools import batched
from typing import Any

from engine.journal.account_events import AccountEvents
from engine.journal.holdings import Holdings
from engine.markets.markets import Markets
from engine.rankings.board import Board, Table, Unstored
from engine.rankings.records import RankingRecords, Running
from models import Database
from utils import clock, wire
from utils.errors import NotFound, StorageUnavailable

_log = logging.getLogger(__name__)
SECONDS = 1.0
STORE_SECONDS = 10.0
"""What a killed engine forgets at most of peaks and drawdowns."""

READ_AT_ONCE = 500


class Rankings:
    """Follow every tournament that runs.

    An account is read again when something of it was committed, and never otherwise. Everybody, in memory or not, is
    valued from what was read, each round at one set of prices.
    """

    def __init__(self, database: Database, markets: Markets, events: AccountEvents) -> None:
        self._records = RankingRecords(database)
        self._holdings = Holdings(database)
        self._markets = markets
        self._boards: dict[str, Board] = {}
        self._followed: dict[str, Board] = {}
        """By account; the journal's thread looks into it."""
        self._changed: deque[str] = deque()
        self._round = asyncio.Lock()
        self._stored_at: dict[str, float] = {}
        self._storing: dict[str, asyncio.Task[None]] = {}
        """By tournament: rankings go on while they are stored."""
        events.listeners.append(self.committed)

    def handlers(self) -> dict[type[wire.Request], Any]:
        """Return what answers the requests that are about rankings."""
        return {wire.GetRanking: self.ranking, wire.StoreRanking: self.store}

    def committed(self, events: list[dict[str, Any]]) -> None:
        """Note whose account has changed; `events` are committed rows. Called by the journal's thread."""
        if self._followed:
            self._changed.extend(row["account_id"] for row in events if row["account_id"] in self._followed)

    async def run(self) -> None:
        """Keep all rankings up, until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await self.update(clock.now())
            except StorageUnavailable as error:
                _log.warning("rankings are not what they should be: %s", error.detail)
            except Exception:  # the next round may do better; one that ended would freeze every ranking
                _log.exception("rankings are not what they should be")
            await asyncio.sleep(max(SECONDS - (time.monotonic() - began), SECONDS / 4))

    async def update(self, moment: datetime) -> None:
        """Read what has changed, value and rank everybody, and begin to store what is due.

        :raises StorageUnavailable: what could not be read is due again next time.
        """
        async with self._round:
            await self._follow(await asyncio.to_thread(self._records.running))
            self._note_changes()
            for board in list(self._boards.values()):
                try:
                    await self._read(board)
                    await board.update(self._markets, moment)
                    await self._store_when_due(board, moment)
                except StorageUnavailable:
                    raise
                except Exception:  # what one tournament does not survive must not hold up the others
                    _log.exception("the ranking of tournament %s is not what it should be", board.tournament.id)

    async def stored(self) -> None:
        """Wait until what is being stored is stored, or failed to be."""
        await asyncio.gather(*self._storing.values())

    async def close(self) -> None:
        """Store everything: only an engine that is killed forgets what it saw last."""
        async with self._round:
            for board in self._boards.values():
                try:
                    await self._store(board)
                except StorageUnavailable as error:
                    _log.warning("the latest ranks are not stored: %s", error.detail)

    async def ranking(self, query: wire.GetRanking) -> wire.Ranking:
        """Return a part of a ranking. :raises NotFound: `not_ranked`, or `not_in_ranking` for an unknown id."""
        board = self._boards.get(query.tournament)
        table = None if board is None else board.teams if query.teams else board.participants
        if table is None:
            raise NotFound("This tournament is not followed now.", code="not_ranked")
        return wire.Ranking(rows=_part(table, query), count=len(table.rows), as_of=table.as_of)

    async def store(self, query: wire.StoreRanking) -> None:
        """Store how a tournament's participants stand, if it is followed; leave it for good when it does not run.

        :raises StorageUnavailable: it is not stored.
        """
        async with self._round:
            await self._follow(await asyncio.to_thread(self._records.running))
            board = self._boards.get(query.tournament)
            if board is not None:
                await self._store(board)

    # ----------------------------------------------------------------------------------------------- one round

    async def _follow(self, running: list[Running]) -> None:
        """Take up tournaments that have begun, and leave those that are over, when they are stored."""
        now = {each.id for each in running}
        for board in [each for id, each in self._boards.items() if id not in now]:
            await self._store(board)
            del self._boards[board.tournament.id]
            self._stored_at.pop(board.tournament.id, None)
            self._storing.pop(board.tournament.id, None)
            for account in board.entrants:
                self._followed.pop(account, None)
        for tournament in running:
            followed = self._boards.get(tournament.id)
            if followed is not None:
                followed.tournament = tournament  # its end may have been put off
            if followed is None or len(followed.entrants) < tournament.participants:
                await self._take_up(tournament, followed)

    async def _take_up(self, tournament: Running, board: Board | None) -> None:
        entries = await asyncio.to_thread(self._records.entries, tournament)
        if board is None:
            sizes: dict[str, int] = defaultdict(int)
            for entry in entries:
                if entry.team_id is not None:
                    sizes[entry.team_id] += 1
            teams = await asyncio.to_thread(self._records.teams, tournament, sizes)
            past = await asyncio.to_thread(self._records.newest_past, tournament.id)
            board = Board(tournament, teams, past)
            _log.info("following the ranking of tournament %s with %d participants", tournament.id, len(entries))
        for entry in entries:
            board.add(entry)
            # before it is read: what is committed from now on is noticed
            self._followed[entry.account_id] = board
        self._boards[tournament.id] = board

    def _note_changes(self) -> None:
        while self._changed:
            account = self._changed.popleft()
            board = self._followed.get(account)
            if board is not None:
                board.unread.add(account)

    async def _read(self, board: Board) -> None:
        for part in batched(list(board.unread), READ_AT_ONCE):
            accounts = list(part)
            owned = await asyncio.to_thread(self._holdings.read, accounts)
            currency, counted = board.tournament.currency, board.counted(accounts)
            board.take(owned, await asyncio.to_thread(self._records.trades, currency, counted))
            # what changed meanwhile waits in the queue and is read in the next round
            board.unread.difference_update(accounts)

    async def _store_when_due(self, board: Board, moment: datetime) -> None:
        """Begin to store what is due, unless that is still under way."""
        id = board.tournament.id
        if board.participants is None or (id in self._storing and not self._storing[id].done()):
            return
        past = board.due_past(moment)
        is_due = time.monotonic() - self._stored_at.get(id, 0.0) >= STORE_SECONDS
        if past is not None or is_due:
            unstored = await board.unstored()
            self._storing[id] = asyncio.create_task(self._store_aside(board, unstored, past), name=f"store {id}")

    async def _store_aside(self, board: Board, unstored: Unstored, past: datetime | None) -> None:
        try:
            if past is not None and unstored.participants_as_told is not None:
                rows = unstored.participants_as_told.rows
                await asyncio.to_thread(self._records.add_past, board.tournament.id, rows, past)
                board.mark_past(past)
            await self._put(board, unstored)
        except StorageUnavailable as error:
            _log.warning("ranks of tournament %s are not stored yet: %s", board.tournament.id, error.detail)
        except Exception:  # whoever waits for it stores them again
            _log.exception("ranks of tournament %s are not stored yet", board.tournament.id)

    async def _store(self, board: Board) -> None:
        """Store a ranking now, after what is under way. :raises StorageUnavailable: it is not stored."""
        storing = self._storing.get(board.tournament.id)
        if storing is not None:
            await storing
        await self._put(board, await board.unstored())

    async def _put(self, board: Board, unstored: Unstored) -> None:
        id, told = board.tournament.id, unstored.participants_as_told
        if told is not None and (unstored.participants or unstored.teams):
            await asyncio.to_thread(self._records.store, id, unstored.participants, unstored.teams, told.as_of)
            board.mark_stored(unstored)
        self._stored_at[id] = time.monotonic()


def _part(table: Table, query: wire.GetRanking) -> list[wire.RankRow]:
    if query.id is None:
        return table.rows[query.after : query.after + query.limit]
    row = table.row(query.id)
    if row is None:
        raise NotFound("This one is not in the ranking.", code="not_in_ranking")
    return [row]
