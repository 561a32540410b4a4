"""Funding: when it is due, and the clock that sees to it that no account with a position misses it."""

from __future__ import annotations

import asyncio
import logging
import time

from engine.desk import Desk
from engine.records import Records
from utils.errors import TradingError
from utils.wire import Instrument

_log = logging.getLogger(__name__)
RETRY_SECONDS = 5.0


class FundingClock:
    """Wake the accounts with positions at every funding time; what they missed while nobody ran is booked at once.

    The accounts know themselves what is due: waking one twice books nothing twice, and whatever else touches an account
    with a position books its funding as well.
    """

    def __init__(self, instruments: list[Instrument], records: Records, desk: Desk) -> None:
        self._steps = {instrument.funding_seconds for instrument in instruments if instrument.funding_seconds}
        self._records = records
        self._desk = desk

    async def run(self) -> None:
        """Wake them now and at every funding time, until cancelled."""
        while self._steps:
            complete = await self.wake()
            now = time.time()
            due = min((now // step + 1) * step for step in self._steps) - now
            await asyncio.sleep(due if complete else min(due, RETRY_SECONDS))

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
                await self._desk.act(account_id, {})
            except TradingError as error:
                complete = False
                _log.warning("funding of account %s has to wait: %s", account_id, error.detail)
        return complete
