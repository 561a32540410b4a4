"""The end of a tournament: everything is closed at prices that are the same for all, whenever each account's turn is.

The prices are read once, and kept by whoever asked for them before the first account is closed: an engine that is
killed between two accounts closes the second one at the same prices as the first.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.accounts.account import Account
from engine.accounts.spot import SpotAccount
from engine.desk.desk import Desk
from engine.futures.account import FuturesAccount
from engine.journal.unit import Unit
from engine.markets.market import Market
from engine.markets.markets import Markets
from engine.tournaments.contests import Contests
from engine.tournaments.records import Contest
from utils import clock, wire
from utils.errors import Conflict, EngineUnavailable, Fault, NotFound, TradingError

_log = logging.getLogger(__name__)
PATIENCE = timedelta(hours=1)
"""So long after the end a market in which somebody holds something is waited for: it may be silent for a while."""
AT_ONCE = 8
"""Accounts that are closed side by side: they share a commit, and leave room for others."""


class Closing:
    """Close the accounts of tournaments."""

    def __init__(self, desk: Desk, contests: Contests, markets: Markets) -> None:
        self._desk = desk
        self._contests = contests
        self._markets = markets

    def handlers(self) -> dict[type[wire.Request], Any]:
        """Return what carries out each request."""
        return {wire.FreezeTournament: self.freeze, wire.CloseEntries: self.close}

    async def freeze(self, query: wire.FreezeTournament) -> wire.Marks:
        """Let nothing of a tournament trade any more, and tell the prices that its markets had at the end.

        Where the price of the end is not known any more it is the present one. A market that nobody needs does
        without, and after `PATIENCE` so does one in which somebody holds something: then it is the last one that is
        known.

        :raises Conflict: `tournament_not_over`. :raises NotFound: there is no such tournament.
        :raises EngineUnavailable: a market in which somebody holds something has no price at present.
        """
        contest = await self._contests.read(query.tournament)
        if not contest.is_over(clock.now()):
            raise Conflict("The tournament is not over.", code="tournament_not_over")
        market, held = self._markets.get(contest.exchange), await self._contests.held(contest.id)
        marks: dict[str, Decimal] = {}
        last_known: list[str] = []
        for symbol in sorted(contest.symbols):
            try:
                marks[symbol] = _mark(market, symbol, contest.over_at)
            except (EngineUnavailable, NotFound):
                if symbol in held and clock.now() < contest.over_at + PATIENCE:
                    raise
                mark = await self._last_known(contest, market, symbol)
                if mark is not None:
                    marks[symbol] = mark
                    last_known.append(symbol)
        for symbol in held.intersection(last_known):
            _log.warning("tournament %s is closed at the last known price of %s", contest.id, symbol)
        return wire.Marks(marks=marks, last_known=sorted(held.intersection(last_known)))

    async def _last_known(self, contest: Contest, market: Market, symbol: str) -> Decimal | None:
        """Return the last mark of a market; after a restart of the engine that is at which a participant traded."""
        quote = market.quotes.get(symbol)
        return quote.mark if quote is not None else await self._contests.last_traded(contest.id, symbol)

    async def close(self, command: wire.CloseEntries) -> list[wire.ClosedEntry]:
        """Close accounts; one that cannot be closed yet says why and leaves the others alone.

        :raises Conflict: `tournament_not_over`.
        """
        if not (await self._contests.read(command.tournament)).is_over(clock.now()):
            raise Conflict("The tournament is not over.", code="tournament_not_over")
        slots = asyncio.Semaphore(AT_ONCE)

        async def close(account_id: str) -> wire.ClosedEntry:
            async with slots:
                try:
                    return await self._close(command, account_id)
                except TradingError as error:
                    return wire.ClosedEntry(account=account_id, fault=Fault.of(error))

        return await asyncio.gather(*map(close, command.accounts))

    async def _close(self, command: wire.CloseEntries, account_id: str) -> wire.ClosedEntry:
        async def change(account: Account, unit: Unit) -> wire.ClosedEntry:
            if not isinstance(account, SpotAccount | FuturesAccount) or account.record.entry is None:
                raise Conflict("This is no account of a tournament.", code="not_a_tournament_account")
            if account.record.entry.tournament != command.tournament:
                raise Conflict("This is an account of another tournament.", code="not_a_tournament_account")
            await _wind_up(account, command.actor, command.marks, unit)
            value = account.octobot.total(account.record.reference_currency)
            if account.record.status == "active":
                account.record = replace(account.record, status="archived")
                unit.settle(status="archived")
                unit.sample(value, account.record.deposited or value)
                unit.record("tournament.entry_closed", command.actor, account_id)
            return wire.ClosedEntry(account=account_id, value=value)

        return await self._desk.change(account_id, change)


def _mark(market: Market, symbol: str, end: datetime) -> Decimal:
    """Return the mark at the end, or the present one when that is not known. :raises EngineUnavailable: neither is."""
    try:
        return market.mark_at(symbol, end)
    except EngineUnavailable:
        return market.fresh_quote(symbol).mark


async def _wind_up(
    account: SpotAccount | FuturesAccount, actor: wire.Actor, marks: dict[str, Decimal], unit: Unit
) -> None:
    """Cancel every order, then close everything that is held."""
    for order_id in list(account.orders):
        if order_id in account.orders:
            await account.cancel(order_id, unit)
            unit.record("order.cancel", actor, order_id)
            await asyncio.sleep(0)  # hundreds of orders must not hold up the others
    for symbol in account.held():
        if symbol not in marks:
            raise Conflict(f"There is no price to close {symbol} at.", code="mark_missing")
    for symbol in account.held():
        await account.close_out(symbol, marks[symbol], unit)
