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

from msgspec.structs import replace

from engine.accounts.account import Account
from engine.accounts.accounts import Accounts
from engine.accounts.octobot import OctoBotAccount
from engine.desk.desk import Desk
from engine.journal.journal import Journal
from engine.markets.market import Market
from engine.strategies import registry
from engine.strategies.book import OrderBook
from engine.strategies.looking import check_certain, look
from engine.strategies.mode import StrategyMode, Turn, ticket_of
from engine.strategies.records import StrategyRecord, StrategyRecords
from engine.strategies.settings import Settings
from engine.strategies.store import Store
from engine.strategies.thinking import PASSING, StrategyFault
from engine.strategies.view import ALERTS, Cancel, Place, Remember, Say, alert_generation
from utils import wire
from utils.errors import Conflict, EngineTimeout, NotFound, Refused, TradingError
from utils.wire import Alert, Order

_log = logging.getLogger(__name__)
ENDING = frozenset({"kill_switch", "account_archived", "credential_other_account"})
"""Refusals of an order after which every other one would be refused, too."""
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
TURN_SECONDS = 60.0
"""How long a turn may take; when OctoBot has lost it, the strategy begins anew."""
Failed = Callable[[StrategyRecord, TradingError], None]


class Runner:
    """Run one strategy until it is stopped or fails. It is the gate and the hand of its trading mode."""

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
        self.record = record
        self._kind = kind
        self._settings = settings
        self._accounts = accounts
        self._desk = desk
        self._journal = journal
        self._market = market
        self._records = records
        self._store = store
        self._failed = failed
        self._actor = wire.Actor(user_id=record.user_id)
        self._woken = asyncio.Event()
        self._calm = asyncio.Event()
        self.turning = asyncio.Lock()
        """Held while it looks and acts."""
        self._turn: Turn | None = None
        self._mode: Any = None
        self._octobot: OctoBotAccount | None = None
        self._book = OrderBook(())
        self._heard: list[Order] | None = None
        self._failures = self._refusals = 0
        self._said: str | None = None
        self._placed: list[Order] = []
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

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
            self._placed = []
            try:
                await self._look(alert)
            except (*PASSING, Refused, Conflict, NotFound):
                raise
            except Exception as error:
                self._fail(error)
                raise Conflict("The strategy has failed.", code="strategy_not_running") from error
            return self._placed

    async def change(self, record: StrategyRecord) -> None:
        """Go on with other settings, which are stored already; `turning` is held."""
        self.record, self._settings = record, registry.read(self._kind, record.settings, record.symbols)
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

    # ------------------------------------------------------------------------------------------ its trading mode's gate

    async def create(self, order: Any) -> None:
        """Place an order that the trading mode has created.

        :raises EngineUnavailable: `order_pending`: what comes next is decided when its outcome is known.
        """
        command = wire.PlaceOrder(actor=self._actor, account=self.record.account_id, ticket=ticket_of(order))
        # OctoBot may cancel its consumers at any time; a change of an account must not be left half done
        placed = await asyncio.shield(asyncio.ensure_future(self._desk.place(command)))
        self._placed.append(placed)
        if self._turn is None or not self._turn.is_alerted:
            check_certain([placed])

    async def cancel(self, order: Any) -> None:
        """Cancel an order of the account; one that has ended meanwhile is fine."""
        await self.withdraw(Cancel(order.order_id))

    # ------------------------------------------------------------------------------------------ its trading mode's hand

    def name(self, step: Place) -> str:
        """Return the client order id of a step: the one it has been placed under, or else its own in this life."""
        placed = self._book.find(step.level, step.generation)
        return placed.order.client_order_id if placed else self.record.order_name(step.level, step.generation)

    async def refused(self, step: Place, error: TradingError) -> None:
        """Take note that an order was refused. :raises TradingError: the strategy cannot go on so."""
        if error.code == "duplicate_client_order_id":
            return  # done before, perhaps in another life
        if not isinstance(error, Refused | Conflict | NotFound) or error.code in ENDING:
            raise error
        detail = f"{step.side} {step.symbol} ({step.level}) was refused: {error.detail}"
        if step.vital:
            raise StrategyFault(detail, code=error.code)
        if self._turn is not None and self._turn.is_alerted:
            raise error  # whoever sent the alert hears it
        await self.say(Say(detail, "warning"))

    async def withdraw(self, step: Cancel) -> None:
        """Cancel an open order; what comes next waits until it has ended: it needs what that one locks.

        :raises EngineUnavailable: `order_pending` when its exchange has not told yet; to be asked again.
        """
        command = wire.CancelOrder(actor=self._actor, account=self.record.account_id, order_id=step.order_id)
        try:
            order = await asyncio.shield(asyncio.ensure_future(self._desk.cancel(command)))
        except (Conflict, NotFound) as error:
            if error.code in ENDING:
                raise
        else:
            check_certain([order])

    async def remember(self, step: Remember) -> None:
        """Store what the strategy asks to be kept."""
        await self._store.remember(replace(self.record, memory=step.memory))
        # not earlier: it must ask again for what could not be stored
        self.record = replace(self.record, memory=step.memory)

    async def say(self, step: Say) -> None:
        """Add to the strategy's log, but for what it has just said."""
        if step.message != self._said:
            self._said = step.message
            await self._store.log(self.record, step.level, step.message)

    # ------------------------------------------------------------------------------------------------ at work

    def _follow(self, orders: list[Order]) -> None:
        if self._heard is not None:
            self._heard += orders
        self._book.update(orders)
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
        view = await look(self.record, window, self._book, accounts=self._accounts, market=self._market, alert=alert)
        turn = self._turn = Turn(self._settings, view, self)
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
            self._turn = None

    async def _attach(self, account: Account) -> Any:
        """Return the trading mode on the account, which may have been opened anew since the last turn."""
        octobot = account.octobot
        if self._mode is None or self._octobot is not octobot:
            # what is stored from now on may be missing in what is read, and is heard of here
            heard = self._heard = []
            # what was on its way there before this runner listened: an order that filled as the engine started
            await self._journal.flush()
            orders = await asyncio.to_thread(self._records.orders, self.record)
            self._book, self._heard = OrderBook([*orders, *heard]), None
            self._mode = await octobot.start_mode(self._kind, dict(self.record.settings), self)
            self._octobot = octobot
        return self._mode
