"""What is stored of running strategies: states, memories and logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.accounts.account import Account
from engine.journal.journal import Journal
from engine.journal.unit import Line, Unit
from engine.strategies.records import StrategyRecord
from utils import clock
from utils.errors import TradingError
from utils.wire import StrategyState

_log = logging.getLogger(__name__)
Seal = Callable[[StrategyRecord, Unit], None]
"""Adds to a unit what is to be stored with a strategy."""


class Store:
    """Write through the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def remember(self, record: StrategyRecord) -> None:
        """Store what a strategy remembers."""
        unit = _unit(record)
        unit.strategy = {"id": record.id, "memory": msgspec.json.encode(record.memory).decode()}
        await self._journal.submit(unit)

    async def log(self, record: StrategyRecord, level: str, message: str) -> None:
        """Add to a strategy's log."""
        unit = _unit(record)
        unit.log(record.id, record.name, level, message)
        await self._journal.submit(unit)

    async def tell(self, record: StrategyRecord, level: str, message: str) -> None:
        """Add to a strategy's log, warnings also to the engine's; what cannot be stored is left out."""
        if level == "warning":
            _log.warning("strategy %s: %s", record.name, message)
        try:
            await self.log(record, level, message)
        except TradingError as error:
            _log.warning("the log of strategy %s lacks %r: %s", record.name, message, error.detail)

    async def tell_all(self, notes: list[tuple[StrategyRecord, str, str]]) -> None:
        """Add to the logs of many, likewise, all at once."""
        await asyncio.gather(*(self.tell(*note) for note in notes))


def moved(
    record: StrategyRecord, state: StrategyState, error: TradingError | None = None, **changes: Any
) -> StrategyRecord:
    """Return a strategy in another state."""
    return replace(
        record,
        state=state,
        error_code=None if error is None else error.code,
        error=None if error is None else error.detail[:512],
        updated_at=clock.now(),
        **changes,
    )


def put(record: StrategyRecord, unit: Unit) -> None:
    """Let `unit` store the strategy, and tell its owner."""
    unit.strategy = {
        "id": record.id,
        "settings": msgspec.json.encode(record.settings).decode(),
        "memory": msgspec.json.encode(record.memory).decode(),
        "funding": record.funding,
        "state": record.state,
        "run": record.run,
        "error_code": record.error_code,
        "error": record.error,
        "updated_at": record.updated_at,
    }
    unit.strategy_event(record.message())


def _unit(record: StrategyRecord) -> Unit:
    # not the account's own line: what is written here is not computed on top of its changes
    return Unit(Line(record.account_id, record.user_id))


def put_sealed(record: StrategyRecord, seal: Seal, unit: Unit) -> None:
    """Let `unit` store the strategy with what `seal` adds, and tell its owner why before what."""
    seal(record, unit)
    put(record, unit)


def forget(record: StrategyRecord, seal: Seal, account: Account, unit: Unit) -> None:
    """Let `unit` end the strategy.

    Its account stays to be looked at, with all that it did; a live one is its owner's again.
    """
    if record.mode == "live":
        unit.settle(kind="extra")
    else:
        account.record = replace(account.record, status="archived")
        unit.settle(status="archived")
    unit.strategy = {"id": record.id, "state": None}
    seal(record, unit)
