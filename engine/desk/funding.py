"""Funding of positions: when it is due, and the clock that makes sure no account misses it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from engine.desk.desk import Desk
from engine.journal.records import Records
from engine.markets.market import Market
from utils.errors import TradingError

_log = logging.getLogger(__name__)
RETRY_SECONDS = 5.0
LOOK_SECONDS = 60.0
"""How often the clock looks whether there are other funding times than before."""


class FundingClock:
    """Wake the accounts with positions at every funding time; what they missed while nobody ran is booked at once.

    The accounts know themselves what is due: waking one twice books nothing twice, and whatever else touches an account
    with a position books its funding as well.
    """

    def __init__(self, markets: Iterable[Market], records: Records, desk: Desk) -> None:
        self._markets = markets
        self._records = records
        self._desk = desk

    async def run(self) -> None:
        """Wake them now and at every funding time, until cancelled."""
        while True:
            woken = time.time()
            complete = await self.wake()
            # an exchange that was reached meanwhile may have times of its own
            while not self._is_due(woken):
                await asyncio.sleep(min(self._wait(), LOOK_SECONDS if complete else RETRY_SECONDS))
                if not complete:
                    break

    def _steps(self) -> set[int]:
        instruments = [instrument for market in self._markets for instrument in market.instruments.values()]
        return {instrument.funding_seconds for instrument in instruments if instrument.funding_seconds}

    def _is_due(self, since: float) -> bool:
        """Tell whether a funding time has come after `since`."""
        return any(since // step != time.time() // step for step in self._steps())

    def _wait(self) -> float:
        now = time.time()
        return min(((now // step + 1) * step - now for step in self._steps()), default=LOOK_SECONDS)

    async def wake(self) -> bool:
        """Let every account with a position book what is due; tell whether all could."""
        complete = True
        try:
            accounts = {row["account_id"] for _, row in await asyncio.to_thread(self._records.open_positions)}
        except TradingError as error:
            _log.warning("funding has to wait: %s", error.detail)
            return False
        for account_id in sorted(accounts):
            try:
                await self._desk.reactions.act(account_id, {})
            except TradingError as error:
                complete = False
                _log.warning("funding of account %s has to wait: %s", account_id, error.detail)
        return complete
