"""The engine: OctoBot's accounts, the market feed, the journal and the bridge's server, in one event loop."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

from config import Settings
from engine.accounts.accounts import Accounts
from engine.accounts.equity import Equities
from engine.accounts.octobot import OCTOBOT_VERSION, bot_config
from engine.demo.exchange import register
from engine.demo.market import LocalMarket
from engine.demo.opening import demo_source
from engine.desk.account_changes import AccountChanges
from engine.desk.batch import Batches
from engine.desk.desk import Desk
from engine.desk.funding import FundingClock
from engine.desk.positions import Positions
from engine.desk.queries import Queries
from engine.desk.switchboard import Switchboard
from engine.desk.ticks import Ticks
from engine.exchanges.client import check_exchanges
from engine.exchanges.verification import Verifier
from engine.gateway.feeds import Feed
from engine.gateway.gateway import Gateway
from engine.gateway.records import Connections
from engine.journal.account_events import AccountEvents
from engine.journal.audit_seals import AuditSeals
from engine.journal.event_log import EventLog
from engine.journal.holdings import Holdings
from engine.journal.journal import Journal
from engine.journal.records import Records
from engine.live.opening import LiveAccounts
from engine.live.timing import Timing
from engine.markets.market import Market
from engine.markets.markets import Markets
from engine.markets.prices import PriceStream
from engine.markets.source import MarketSource
from engine.metrics import Metrics
from engine.orders.kill_switches import KillSwitches
from engine.orders.risk import Gates
from engine.orders.triggers import Triggers
from engine.rankings.rankings import Rankings
from engine.server import Server
from engine.strategies.story import RESTARTED
from engine.strategies.strategies import Strategies
from engine.tournaments.closing import Closing
from engine.tournaments.contests import Contests
from engine.tournaments.records import TournamentRecords
from models import Database
from utils import clock, wire
from utils.demo_facts import demo_facts
from utils.errors import StorageUnavailable, TradingError

_log = logging.getLogger(__name__)
CHORE_SECONDS = 60.0
IDLE_PROBE_SECONDS = 5.0
JOURNAL_BUSY_SECONDS = 2.0
"""How long the journal waits for a locked database: less than a caller waits for its answer."""


class Engine:
    """Run OctoBot for all accounts of one installation.

    What it is made of, from the ground up:

    - SQL: the `Journal` writes, `Records` reads what accounts start from, `Holdings` what many accounts have.
    - Prices: a `Market` for each exchange that the `Gateway` follows, a `Feed` for what hangs on it, `Triggers` for the
      orders that wait for them.
    - Accounts: `Accounts` in memory (live ones by `LiveAccounts`), and the gate of each, made by `Gates`, that asks the
      `KillSwitches` and the `Contests`.
    - Commands: the `Desk` carries out those on orders, and `AccountChanges` (deposits, resets, archiving), `Positions`
      (closing, leverage), `Batches` and the `Switchboard` (kill switches) theirs with its help.
    - `Strategies` run on accounts of their own; their orders go through the desk.
    - Time: the `FundingClock` wakes accounts with perpetuals, `Equities` samples values, `Rankings` ranks them.
    - The `Server` takes requests from the web workers.
    """

    def __init__(
        self,
        settings: Settings,
        source: MarketSource | None = None,
        others: Sequence[MarketSource] = (),
        timing: Timing | None = None,
        time_source: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        check_exchanges(settings)
        self._journal_database = Database(settings.database_url, pool_size=1, busy_timeout=JOURNAL_BUSY_SECONDS)
        self._database = Database(settings.database_url, pool_size=8, busy_timeout=JOURNAL_BUSY_SECONDS)
        self._records = Records(self._database)
        self.metrics = Metrics()
        self._account_events = AccountEvents()
        self._journal = Journal(self._journal_database, self._account_events, self.metrics)
        self.market = self._open_market(source, time_source)
        given = {other.exchange for other in others}
        connections = Connections(self._database, settings)
        followed = [connections.market(name) for name in connections.names() if name not in given]
        self._near = [self.market, *(LocalMarket(other, settings.demo_tick_seconds) for other in others)]
        self._markets = Markets([*self._near, *followed])
        self._triggers = Triggers()
        self._switches = KillSwitches()
        self.contests = Contests(TournamentRecords(self._database))
        gates = Gates(self._records, self._switches, self.contests, settings.max_open_orders)
        self._live = LiveAccounts(settings, self._records, self._markets, timing)
        self._accounts = Accounts(self._records, self._journal, self._markets, self._triggers, gates, live=self._live)
        self.desk = Desk(self._accounts, self._journal, self._records, self._triggers, self.metrics)
        self._switchboard = Switchboard(self._switches, self.desk, self._accounts, self._journal, self._records)
        self.account_changes = AccountChanges(self.desk)
        self.equities = Equities(Holdings(self._database), self._markets)
        self.rankings = Rankings(self._database, self._markets, self._account_events)
        self.event_log = EventLog(self._database, timedelta(days=settings.event_retention_days))
        self.audit_seals = AuditSeals(self._database, timedelta(days=settings.audit_retention_days))
        self._positions = Positions(self.desk)
        self.funding_clock = FundingClock(self._markets, self._records, self.desk)
        self.strategies = Strategies(
            settings, self.desk, self._database, accounts=self._accounts, journal=self._journal, markets=self._markets
        )
        self.gateway = Gateway(
            connections, self._markets, self._accounts, self._live, self._feed, connected=self.strategies.load
        )
        self._server = Server(self._handlers(), self._streams())
        self._started_at = clock.now()
        self.metrics.watch(self._accounts, self._triggers, self._journal, self._markets)
        self._background: set[asyncio.Task[Any]] = set()

    async def start(self, *, ticking: bool = True) -> None:
        """Start everything; the socket opens last, when every route can be served.

        :param ticking: False leaves ticks to the caller (`market.tick()`), for tests.
        """
        self._journal.start()
        for order in await asyncio.to_thread(self._records.open_orders):
            self._triggers.add(order)
        await self._switchboard.load()
        for exchange, position in await asyncio.to_thread(self._records.open_positions):
            self._triggers.guard(exchange, position)
        for market in self._near:
            await market.tick()  # the prices of real exchanges come when they come
        self.gateway.start(ticking=ticking)
        await self.strategies.load(RESTARTED)
        with_orders = await asyncio.to_thread(self._records.accounts_with_live_orders)
        with_orders += await asyncio.to_thread(self._records.accounts_to_reconcile)
        self._spawn(self.desk.live.follower.run(with_orders), "follower")
        self._spawn(self._do_chores(), "chores")
        self._spawn(self._switchboard.sweep_forever(), "kill switches")
        self._spawn(self.contests.run(), "tournaments")
        self._spawn(self.funding_clock.run(), "funding")
        self._spawn(self.metrics.measure_lag(), "lag")
        self._spawn(self._close_idle_accounts(), "idle accounts")
        if ticking:
            self._spawn(self.equities.run(self._settings.equity_sample_seconds), "equity")
            self._spawn(self.rankings.run(), "rankings")
            self._spawn(self.event_log.run(), "event log")
            self._spawn(self.audit_seals.run(), "audit seals")
        await self._server.start(self._settings.engine_socket)
        _log.info("engine ready: OctoBot %s, %d open orders", OCTOBOT_VERSION, len(self._triggers))

    async def settle(self) -> None:
        """Wait until what the last tick set off is committed."""
        await self.gateway.settle()
        await self._journal.flush()

    async def stop(self) -> None:
        """Finish what is under way, commit it, and leave OctoBot."""
        await self._server.stop()
        await self.strategies.close()
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.rankings.close()
        await self._switchboard.close()
        await self.desk.live.close()
        await self.gateway.stop()
        await self._journal.stop()
        await self._accounts.close()
        await self._live.close()
        self._database.close()
        self._journal_database.close()
        self._settings.engine_socket.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------------ requests

    def _handlers(self) -> dict[type[wire.Request], Any]:
        return {
            wire.PlaceOrder: self.desk.place,
            wire.PlaceOrders: Batches(self.desk, self._journal).place,
            wire.EditOrder: self.desk.edit,
            wire.SetRiskLimits: self.desk.set_limits,
            wire.EngageKillSwitch: self._switchboard.engage,
            wire.ReleaseKillSwitch: self._switchboard.release,
            wire.CancelOrder: self.desk.cancel,
            wire.CancelOrders: self.desk.cancel_matching,
            wire.ClosePosition: self._positions.close,
            wire.SetLeverage: self._positions.set_leverage,
            wire.PreviewOrder: self.desk.preview,
            wire.DepositFunds: self.account_changes.deposit,
            wire.ResetAccount: self.account_changes.reset,
            wire.ArchiveAccount: self.account_changes.archive,
            wire.GetEquity: self.equities.equity,
            **self.rankings.handlers(),
            **Queries(self._accounts, self._markets).handlers(),
            **self.strategies.handlers(),
            **Closing(self.desk, self.contests, self._markets).handlers(),
            wire.GetStatus: self._status,
            wire.GetMetrics: self._tell_metrics,
            wire.GetBotConfig: self._bot_config,
            wire.VerifyCredential: Verifier(self._settings, self._markets).verify,
            wire.ConnectExchange: self.gateway.connect,
            wire.DisconnectExchange: self.gateway.disconnect,
        }

    async def _status(self, _query: wire.GetStatus) -> wire.EngineStatus:
        return wire.EngineStatus(
            pid=os.getpid(),
            octobot_version=OCTOBOT_VERSION,
            started_at=self._started_at,
            accounts_in_memory=len(self._accounts),
            open_orders=len(self._triggers),
            loop_lag=self.metrics.lag,
            feeds=[market.status() for market in self._markets],
        )

    async def _tell_metrics(self, _query: wire.GetMetrics) -> str:
        return self.metrics.text()

    async def _bot_config(self, _query: wire.GetBotConfig) -> wire.BotConfig:
        config = bot_config(self.market.exchange, list(self.market.instruments), "USDT")
        config["time_frame"] = [frame.value for frame in config["time_frame"]]
        for exchange in config["exchanges"].values():
            exchange.update({"api-key": "[redacted]", "api-secret": "[redacted]"})
        return wire.BotConfig(octobot_version=OCTOBOT_VERSION, config=config)

    def _streams(self) -> dict[type[wire.Request], Any]:
        return {
            wire.Subscribe: self.gateway.prices,
            wire.SubscribeAccountEvents: lambda query: self._account_events.subscribe(query.heartbeat),
        }

    # ------------------------------------------------------------------------------------------ background

    async def _do_chores(self) -> None:
        """Expire day orders and thin the logs of strategies, now and every minute."""
        while True:
            try:
                await self._do_chores_once(clock.now())
            except StorageUnavailable as error:
                _log.warning("chores have to wait: %s", error.detail)
            await asyncio.sleep(CHORE_SECONDS)

    async def _do_chores_once(self, moment: datetime) -> None:
        for order in await asyncio.to_thread(self._records.ended_day_orders, moment):
            try:
                await self.desk.reactions.expire(order, moment)
            except TradingError as error:
                _log.warning("order %s cannot expire yet: %s", order.id, error.detail)
        await self.strategies.thin_logs()

    async def _close_idle_accounts(self) -> None:
        """Keep the accounts in memory to those that are used."""
        idle_seconds = self._settings.account_idle_minutes * 60.0
        while True:
            await asyncio.sleep(IDLE_PROBE_SECONDS)
            try:
                await self._accounts.close_idle(idle_seconds=idle_seconds, most=self._settings.accounts_in_memory)
            except StorageUnavailable as error:
                _log.warning("idle accounts stay in memory for now: %s", error.detail)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", task.get_name(), exc_info=error)

    def _feed(self, market: Market, prices: PriceStream) -> Feed:
        self.strategies.follow(market)
        return Feed(market, prices, Ticks(market, self._triggers, self._accounts, self.desk, self._spawn), self._spawn)

    def _open_market(self, source: MarketSource | None, time_source: Callable[[], float]) -> Market:
        source = source or demo_source(self._settings, demo_facts(self._settings, self._records.fact))
        register(source, time_source)
        return LocalMarket(source, self._settings.demo_tick_seconds, time_source)
