"""One strategy at work: it is woken, sees its present, and what it wants goes through OctoBot to the desk.

Whatever wakes it (its start, a candle that closed, an order of its own that ended, an alert, a failed attempt) leads to
the same: one turn, in which it looks at everything anew. So nothing is lost when a wake-up is, and a strategy that was
killed in the midst of placing its orders goes on with those that are missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from engine.accounts.account import Account
from engine.accounts.accounts import Accounts
from engine.accounts.octobot import OctoBotAccount
from engine.desk.desk import Desk
from engine.journal.journal import Journal
from engine.markets.market import Market
from engine.strategies import registry
from engine.strategies.book import OrderBook
from engine.strategies.hand import DeskHand
from engine.strategies.looking import look
from engine.strategies.mode import StrategyMode, Turn
from engine.strategies.records import StrategyRecord, StrategyRecords
from engine.strategies.settings import Settings
from engine.strategies.store import Store
from engine.strategies.thinking import PASSING, StrategyFault
from engine.strategies.view import ALERTS, alert_generation
from utils import wire
from utils.errors import Conflict, EngineTimeout, NotFound, Refused, TradingError
from utils.wire import Alert, Order

_log = logging.getLogger(__name__)
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
TURN_SECONDS = 60.0
"""How long a turn may take; when OctoBot has lost it, the strategy begins anew."""
Failed = Callable[[StrategyRecord, TradingError], None]


class Runner:
    """Run one strategy until it is stopped or fails."""

    def __init__(
        self,
        record: StrategyRecord,
        kind: type[StrategyMode],
        settings: Settings,
        *,
        accounts: Accounts,
        desk: Desk,
        journal: Journal,
        market: Market,
        records: StrategyRecords,
        store: Store,
        failed: Failed,
    ) -> None:
        self._kind = kind
        self._settings = settings
        self._accounts = accounts
        self._journal = journal
        self._market = market
        self._records = records
        self._failed = failed
        self._hand = DeskHand(record, desk=desk, store=store)
        self._woken = asyncio.Event()
        self._calm = asyncio.Event()
        self.turning = asyncio.Lock()
        """Held while it looks and acts."""
        self._turn: Turn | None = None
        self._mode: Any = None
        self._octobot: OctoBotAccount | None = None
        self._heard: list[Order] | None = None
        self._failures = self._refusals = 0
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    @property
    def record(self) -> StrategyRecord:
        """Return the strategy as it runs."""
        return self._hand.record

    @property
    def timeframe(self) -> str | None:
        """Return the time frame of the candles that wake it."""
        window = self._kind.window(self._settings)
        return None if window is None else window.timeframe

    @property
    def takes_alerts(self) -> bool:
        """Tell whether it is of a class that acts on alerts."""
        return self._kind.TAKES_ALERTS

    def start(self) -> None:
        """Begin."""
        self._journal.followers[self.record.account_id] = self._follow
        self._task = asyncio.create_task(self._run(), name=f"strategy {self.record.name}")
        self.wake()

    def wake(self) -> None:
        """Let it look at its present, as soon as it can."""
        if not self._is_over:
            self._calm.clear()
        self._woken.set()

    async def settle(self) -> bool:
        """Wait until it has nothing to decide; tell whether there was something."""
        if self._calm.is_set():
            return False
        return await self._calm.wait()

    async def alert(self, alert: Alert) -> list[Order]:
        """Let it act on an alert, and return the orders that came of it; those of the first time when it has an id.

        :raises Refused: it was refused. :raises Conflict: it does not run any more.
        """
        if alert.id is not None:
            name = self.record.order_name(ALERTS, alert_generation(alert))
            known = await asyncio.to_thread(self._records.named, self.record.account_id, name)
            if known is not None:
                return [known]
        async with self.turning:
            if self._is_over:
                raise Conflict("The strategy is not running.", code="strategy_not_running")
            self._hand.placed = []
            try:
                await self._look(alert)
            except (*PASSING, Refused, Conflict, NotFound):
                raise
            except Exception as error:
                self._fail(error)
                raise Conflict("The strategy has failed.", code="strategy_not_running") from error
            return self._hand.placed

    async def change(self, record: StrategyRecord) -> None:
        """Go on with other settings, which are stored already; `turning` is held."""
        self._hand.record = record
        self._settings = registry.read(self._kind, record.settings, record.symbols)
        if self._mode is not None:
            await self._mode.reload_config(self._mode.bot_id, trading_config=dict(record.settings))
        self.wake()

    async def stop(self) -> None:
        """End; a step that is under way ends first, and no other begins."""
        self._is_over = True
        self._calm.set()
        if self._turn is not None:
            self._turn.is_over = True
        self.wake()
        if self._task is not None and self._task is not asyncio.current_task():
            await asyncio.wait([self._task])
        async with self.turning:
            self._journal.followers.pop(self.record.account_id, None)
            if self._octobot is not None:
                await self._octobot.stop_mode()
                self._octobot = self._mode = None

    # ------------------------------------------------------------------------------------------------ at work

    def _follow(self, orders: list[Order]) -> None:
        if self._heard is not None:
            self._heard += orders
        self._hand.book.update(orders)
        ended = {order.status for order in orders if order.status in wire.FINAL_STATUSES}
        if "filled" in ended or (ended and self.record.mode == "paper"):
            self._refusals = 0
            self.wake()
        elif ended:
            self._refusals = self._wake_later(self._refusals)  # not as fast as an exchange may refuse

    async def _run(self) -> None:
        while True:
            if not self._woken.is_set():
                self._calm.set()
            await self._woken.wait()
            self._woken.clear()
            if self._is_over:
                return
            try:
                async with self.turning:
                    await self._look(None)
                self._failures = 0
            except PASSING as error:
                self._try_again(error)
            except Exception as error:
                self._fail(error)
                return

    def _fail(self, error: Exception) -> None:
        self._is_over = True
        self._calm.set()
        fault = error if isinstance(error, TradingError) else StrategyFault(f"{type(error).__name__}: {error}")
        _log.warning("strategy %s failed: %s", self.record.name, fault.detail, exc_info=error)
        self._failed(self.record, fault)

    def _try_again(self, error: TradingError) -> None:
        if self._failures == 0:
            _log.warning("strategy %s has to wait: %s", self.record.name, error.detail)
        self._failures = self._wake_later(self._failures)

    def _wake_later(self, times: int) -> int:
        asyncio.get_running_loop().call_later(RETRY_SECONDS[min(times, len(RETRY_SECONDS) - 1)], self.wake)
        return times + 1

    async def _look(self, alert: Alert | None) -> None:
        """Let the strategy take one turn; `turning` is held."""
        account = await self._accounts.get(self.record.account_id)
        mode = await self._attach(account)
        window = self._kind.window(self._settings)
        book = self._hand.book
        view = await look(self.record, window, book, accounts=self._accounts, market=self._market, alert=alert)
        turn = self._turn = Turn(self._settings, view, self._hand)
        self._hand.is_alerted = turn.is_alerted
        turn.is_over = self._is_over
        mode.turn = turn
        try:
            await mode.producers[0].trigger(trigger_source="runner")
            await asyncio.wait_for(turn.done, TURN_SECONDS)
        except TimeoutError:
            self._mode = None  # another one takes its place; where it runs is kept, so that it is stopped there
            raise EngineTimeout("OctoBot has lost a turn of the strategy.") from None
        finally:
            turn.is_over = True  # also of one that is lost, and may yet come back
            self._turn, self._hand.is_alerted = None, False

    async def _attach(self, account: Account) -> Any:
        """Return the trading mode on the account, which may have been opened anew since the last turn."""
        octobot = account.octobot
        if self._mode is None or self._octobot is not octobot:
            # what is stored from now on may be missing in what is read, and is heard of here
            heard = self._heard = []
            # what was on its way there before this runner listened: an order that filled as the engine started
            await self._journal.flush()
            orders = await asyncio.to_thread(self._records.orders, self.record)
            self._hand.book, self._heard = OrderBook([*orders, *heard]), None
            self._mode = await octobot.start_mode(self._kind, dict(self.record.settings), self._hand)
            self._octobot = octobot
        return self._mode
