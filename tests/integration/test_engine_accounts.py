"""Accounts in the engine's memory: opened side by side, away, and back."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from octobot_trading import exchange_data

from engine.octobot_account import OctoBotAccount
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost


def test_accounts_that_open_at_once_have_no_feed_of_their_own(host: EngineHost) -> None:
    async def open_together() -> list[str]:
        totals = {"USDT": Decimal(10_000)}
        accounts = await asyncio.gather(
            *(OctoBotAccount.open("demo", [SYMBOL], "USDT", totals, f"account {number}") for number in range(5))
        )
        await asyncio.sleep(0.1)
        running = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
        await asyncio.gather(*(account.close() for account in accounts))
        return [name for name in running if "Updater" in name]

    pollers = list(exchange_data.UNAUTHENTICATED_UPDATER_PRODUCERS)
    assert pollers
    assert host.run(open_together()) == []
    assert pollers == exchange_data.UNAUTHENTICATED_UPDATER_PRODUCERS
