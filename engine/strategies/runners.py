"""What runs a strategy: the engine itself or, for installed tentacles, a separate process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypedDict

from config import Settings
from engine.accounts.accounts import Accounts
from engine.desk.desk import Desk
from engine.journal.journal import Journal
from engine.markets.markets import Markets
from engine.strategies import registry
from engine.strategies.foreign.clerk import Clerk
from engine.strategies.foreign.runner import ForeignRunner
from engine.strategies.records import StrategyRecord, StrategyRecords
from engine.strategies.runner import Failed, Runner
from engine.strategies.store import Store
from utils.errors import Conflict, TradingError


class Parts(TypedDict):
    """What all runners need."""

    accounts: Accounts
    desk: Desk
    records: StrategyRecords
    store: Store


class Runners:
    """Make runners, and count the processes among them."""

    def __init__(self, settings: Settings, parts: Parts, *, journal: Journal, markets: Markets) -> None:
        self._parts = parts
        self._journal = journal
        self._markets = markets
        self._home = settings.octobot_home
        self._most_processes = settings.max_strategy_processes
        self._processes: set[str] = set()

    def reserve(self, record: StrategyRecord) -> None:
        """Make sure that a strategy may run. :raises Conflict: `too_many_processes`."""
        if registry.is_ours(record.strategy_class) or record.account_id in self._processes:
            return
        if len(self._processes) >= self._most_processes:
            detail = f"{self._most_processes} strategies of installed classes run here, as many as may; stop one first."
            raise Conflict(detail, code="too_many_processes")
        self._processes.add(record.account_id)

    def release(self, account_id: str) -> None:
        """Take note that a strategy does not run."""
        self._processes.discard(account_id)

    def make(
        self, record: StrategyRecord, *, failed: Failed, cancel_open: Callable[[StrategyRecord], Awaitable[None]]
    ) -> Runner | ForeignRunner:
        """Return what runs a strategy.

        :raises Refused: its class or its settings are not known any more. :raises Conflict: `too_many_processes`.
        """
        self.reserve(record)
        if not registry.is_ours(record.strategy_class):

            def clerk_of(record: StrategyRecord, failed: Callable[[TradingError], None]) -> Clerk:
                return Clerk(record, markets=self._markets, failed=failed, **self._parts)

            store = self._parts["store"]
            return ForeignRunner(record, clerk_of, home=self._home, store=store, cancel_open=cancel_open, failed=failed)
        kind = registry.kind_of(record.strategy_class)
        settings = registry.read(kind, record.settings, record.symbols)
        market = self._markets.get(record.exchange)
        return Runner(record, kind, settings, journal=self._journal, market=market, failed=failed, **self._parts)
