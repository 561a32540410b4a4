"""The strategies of the installation: moved from state to state, and kept running across restarts."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from msgspec.structs import replace

from config import Settings
from engine.accounts.accounts import Accounts
from engine.desk.desk import FINAL_REFUSALS, Desk
from engine.journal.journal import Journal
from engine.journal.keys import Claim
from engine.journal.unit import Line, Unit
from engine.markets.market import Market
from engine.markets.markets import Markets
from engine.strategies.candles import CandleClock
from engine.strategies.foreign.runner import ForeignRunner
from engine.strategies.funding import Funding
from engine.strategies.kinds import Kinds
from engine.strategies.records import StrategyRecord, StrategyRecords
from engine.strategies.runner import Runner
from engine.strategies.runners import Parts, Runners
from engine.strategies.store import Seal, Store, forget, moved, put_sealed
from engine.strategies.story import CONNECTED, STOPPING, tell_end, tell_move, waiting
from models import Database
from utils import clock, wire
from utils.errors import Conflict, Fault, TradingError
from utils.home import Home
from utils.wire import FUNDED_STATES, STRATEGY_MOVES, Order, Strategy, StrategyState

_log = logging.getLogger(__name__)
RETRY_SECONDS = 2.0


class Strategies:
    """Carry out the commands on strategies, one at a time for each, and keep running what runs."""

    def __init__(
        self,
        settings: Settings,
        desk: Desk,
        database: Database,
        *,
        accounts: Accounts,
        journal: Journal,
        markets: Markets,
    ) -> None:
        self._records = StrategyRecords(database)
        self._accounts = accounts
        self._desk = desk
        self._journal = journal
        self._markets = markets
        self._kinds = Kinds(Home(settings.octobot_home), markets)
        self._ending: set[asyncio.Task[None]] = set()
        self._store = Store(journal)
        self._funding = Funding(accounts, journal)
        self._runners: dict[str, Runner | ForeignRunner] = {}
        parts = Parts(accounts=accounts, desk=desk, records=self._records, store=self._store)
        self._makers = Runners(settings, parts, journal=journal, markets=markets)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._is_closing = False

    def handlers(self) -> dict[type[wire.Request], Any]:
        """Return what answers each request."""
        return {
            wire.GetStrategyClasses: self.classes,
            wire.CheckStrategy: self.check,
            wire.MoveStrategy: self.move,
            wire.EditStrategy: self.edit,
            wire.SendAlert: self.alert,
        }

    # ------------------------------------------------------------------------------------------------- commands

    async def classes(self, _query: wire.GetStrategyClasses) -> list[wire.StrategyClass]:
        """List what strategies can be."""
        return await self._kinds.listing()

    async def check(self, query: wire.CheckStrategy) -> wire.StrategyDraft:
        """Hold a strategy that is to be added against its class and its market; see `Kinds.draft`."""
        return await self._kinds.draft(query)

    async def move(self, command: wire.MoveStrategy) -> Strategy:
        """Bring a strategy into another state.

        :raises Conflict: `strategy_<state>` when the action does not go with the state it is in.
        :raises Refused: it cannot be funded, or its settings do not fit its class any more.
        """

        async def work(record: StrategyRecord, seal: Seal) -> StrategyRecord:
            target = STRATEGY_MOVES[command.action].get(record.state, record.state)
            if target == record.state:
                detail = f"The strategy is {record.state}; {command.action} does not go with that."
                raise Conflict(detail, code=f"strategy_{record.state}")
            return await self._move(record, target, seal)

        return await self._once(command, f"strategy.{command.action}", work)

    async def edit(self, command: wire.EditStrategy) -> Strategy:
        """Change settings; a running strategy goes on with them.

        :raises Conflict: `strategy_removed`. :raises Refused: `invalid_settings`; nothing of them is taken then.
        """

        async def work(record: StrategyRecord, seal: Seal) -> StrategyRecord:
            if record.state == "removed":
                raise Conflict("The strategy is removed; restore it first.", code="strategy_removed")
            given = {**record.settings, **command.settings}
            changed = replace(
                record,
                settings=await self._kinds.read(record.strategy_class, given, record.symbols),
                funding=record.funding if command.funding is None else command.funding,
                updated_at=clock.now(),
            )
            runner = self._runners.get(record.account_id)
            if runner is None:
                await self._write(changed, seal)
            else:
                changed = replace(changed, run=record.run + 1, memory={})
                async with runner.turning:
                    await self._write(changed, seal)
                    await runner.change(changed)
            return changed

        return await self._once(command, "strategy.edit", work)

    async def alert(self, command: wire.SendAlert) -> list[Order]:
        """Let a running strategy act on an alert.

        :raises Conflict: `strategy_not_running`, `strategy_takes_no_alerts`. :raises Refused: the order breaks a rule.
        """
        runner = self._runners.get(command.account)
        if runner is None:
            raise Conflict("The strategy is not running.", code="strategy_not_running")
        if not runner.takes_alerts:
            raise Conflict("The strategy acts on no alerts.", code="strategy_takes_no_alerts")
        return await runner.alert(command.alert)

    # ------------------------------------------------------------------------------------------------- life

    def follow(self, market: Market) -> None:
        """Let strategies know when candles of a market close."""
        CandleClock(market, self._candle_closed)

    async def load(self, said: str = CONNECTED) -> None:
        """Run those that are to run and do not: as the engine starts, and when an exchange has been connected."""
        notes = []
        for known in await asyncio.to_thread(self._records.running):
            if known.exchange not in self._markets:
                notes.append((known, "warning", waiting(known)))
                continue
            async with self._locks[known.account_id]:
                record = await asyncio.to_thread(self._records.of_account, known.account_id)
                try:
                    if record.state == "running" and not self.runs(known.account_id):
                        self._run(record)
                        notes.append((record, "info", said))
                except TradingError as error:
                    self._failed(record, error)
        await self._store.tell_all(notes)

    def runs(self, account_id: str) -> bool:
        """Tell whether the strategy of an account is running."""
        return account_id in self._runners

    async def settle(self) -> bool:
        """Wait until no strategy has anything to decide; tell whether one had."""
        acted = [await runner.settle() for runner in list(self._runners.values())]
        await asyncio.gather(*self._ending)
        return any(acted)

    async def thin_logs(self) -> None:
        """Keep the logs of strategies to what was said last."""
        await asyncio.to_thread(self._records.thin_logs)

    async def close(self) -> None:
        """Let the running strategies end what they are at; they run again with the next engine."""
        self._is_closing = True
        await self._store.tell_all([(runner.record, "info", STOPPING) for runner in self._runners.values()])
        await asyncio.gather(*(runner.stop() for runner in list(self._runners.values())), return_exceptions=True)
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _candle_closed(self, exchange: str, timeframe: str) -> None:
        for runner in self._runners.values():
            if runner.record.exchange == exchange and runner.timeframe == timeframe:
                runner.wake()

    def _run(self, record: StrategyRecord) -> None:
        """Begin to run a strategy. :raises Refused: its class or its settings are not known any more."""
        runner = self._makers.make(record, failed=self._failed, cancel_open=self._cancel_open)
        self._accounts.pinned.add(record.account_id)
        self._runners[record.account_id] = runner
        runner.start()

    async def _halt(self, account_id: str) -> None:
        """Let a strategy run no more; its open orders stay."""
        runner = self._runners.pop(account_id, None)
        if runner is not None:
            await runner.stop()
            self._makers.release(account_id)
        self._accounts.pinned.discard(account_id)

    def _failed(self, record: StrategyRecord, error: TradingError) -> None:
        task = asyncio.create_task(self._end(record, error), name=f"failed strategy {record.name}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, record: StrategyRecord, error: TradingError) -> None:
        """Cancel what a strategy that failed has open, and store why; again and again until that is done."""
        async with self._locks[record.account_id]:
            await self._halt(record.account_id)
            while not self._is_closing:
                try:
                    record = await asyncio.to_thread(self._records.of_account, record.account_id)
                    if record.state == "running":
                        await self._cancel_open(record)
                        await self._write(moved(record, "error", error), tell_end)
                    return
                except TradingError as obstacle:
                    _log.warning("the failed strategy %s is not wound down yet: %s", record.name, obstacle.detail)
                    await asyncio.sleep(RETRY_SECONDS)

    # ------------------------------------------------------------------------------------------------ internal

    async def _once(
        self,
        command: wire.MoveStrategy | wire.EditStrategy,
        action: str,
        work: Callable[[StrategyRecord, Seal], Awaitable[StrategyRecord]],
    ) -> Strategy:
        """Do `work` once per idempotency key; what it stores is sealed with the audit row and the answer."""

        async def alone(claim: Claim | None) -> Strategy:
            async with self._locks[command.account]:
                record = await asyncio.to_thread(self._records.of_account, command.account)

                def seal(changed: StrategyRecord, unit: Unit) -> None:
                    unit.record(action, command.actor, record.name)
                    if action != "strategy.delete":  # with which its log goes
                        tell_move(record, changed, command.actor, unit)
                    if claim is not None:
                        unit.key(claim, answer=changed.message())

                try:
                    return (await work(record, seal)).message()
                except FINAL_REFUSALS as refusal:
                    unit = Unit(Line(command.account, record.user_id))
                    unit.record(action, command.actor, record.name, refusal)
                    if claim is not None:
                        unit.key(claim, fault=Fault.of(refusal))
                    await self._journal.submit(unit)
                    raise

        return await self._desk.keys.once(command, alone)

    async def _move(self, record: StrategyRecord, target: StrategyState | None, seal: Seal) -> StrategyRecord:
        changed = moved(record, target or record.state)
        if target == "running":
            self._markets.get(record.exchange)  # before anything is stored
            await self._funding.check(record)
            # what it ran as before has ended: another run places orders of its own
            changed = replace(changed, run=record.run + 1, memory={})
            await self._kinds.read(record.strategy_class, record.settings, record.symbols)
            self._makers.reserve(record)
        await self._halt(record.account_id)
        try:
            if target is None:
                await self._cancel_open(record)
                await self._funding.give_back(record, partial(forget, changed, seal))
            elif record.state in FUNDED_STATES and target not in FUNDED_STATES:
                await self._cancel_open(record)
                await self._funding.give_back(record, lambda _, unit: put_sealed(changed, seal, unit))
            elif record.state not in FUNDED_STATES and target in FUNDED_STATES:
                await self._funding.fund(record, lambda _, unit: put_sealed(changed, seal, unit))
            else:
                await self._write(changed, seal)
        except TradingError:
            if record.state == "running":
                self._run(record)  # it is what SQL says it is
            else:
                self._makers.release(record.account_id)
            raise
        if target == "running":
            self._run(changed)
        return changed

    async def _cancel_open(self, record: StrategyRecord) -> None:
        actor = wire.Actor(user_id=record.user_id)
        await self._desk.cancel_all(wire.CancelOrders(actor=actor, account=record.account_id))

    async def _write(self, record: StrategyRecord, seal: Seal) -> None:
        unit = Unit(Line(record.account_id, record.user_id))
        put_sealed(record, seal, unit)
        await self._journal.submit(unit)
