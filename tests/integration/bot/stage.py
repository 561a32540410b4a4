"""A keeper of the bot, with small processes in the place of OctoBot."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from models import Database
from services.bot.accounts import BotAccounts
from services.bot.records import BotRecords, Told, Wanted, Wish
from services.leases import Leases
from utils import clock
from utils.bot_bridge import BotBridge
from utils.errors import EngineUnavailable
from utils.part import Part
from utils.wire import BotExchange, BotReport, GetBotOrders, Mode, Order
from worker.bot import Keeper

PATIENCE = 60.0
STAY = "import os\nos.read(int(os.environ['LIFELINE_FD']), 1)"
ASK_ONCE = (
    """import os
asked = os.environ['LAST_WORDS'] + '.asked'
if not os.path.exists(asked):
    open(asked, 'w').close()
    os._exit(75)
"""
    + STAY
)
STUBBORN = "import threading\nthreading.Event().wait()"


class Answers(BotBridge):
    """Answers in the place of whichever process there is, unless it is told to be silent."""

    def __init__(self) -> None:
        self.is_paused = False
        self.is_silent = False
        self.open_orders = 0
        self.orders_of: dict[str, list[Order]] = {}
        self.exchanges: list[BotExchange] = []
        self.pid: Callable[[], int | None] = lambda: None

    def report(self) -> BotReport:
        pid = self.pid()
        if self.is_silent or pid is None:
            raise EngineUnavailable("The bot cannot be reached.")
        return BotReport(
            pid=pid,
            octobot_version="2.1.1",
            started_at=clock.now(),
            is_paused=self.is_paused,
            open_orders=self.open_orders,
            profile="default",
            exchanges=self.exchanges,
            evaluators=[],
            notifiers=[],
        )

    def orders(self, query: GetBotOrders) -> list[Order]:
        if self.is_silent:
            raise EngineUnavailable("The bot cannot be reached.")
        return self.orders_of[query.exchange][: query.limit]

    def pause(self, *, is_paused: bool) -> BotReport:
        self.is_paused = is_paused
        return self.report()

    def cancel_orders(self) -> BotReport:
        self.open_orders = max(self.open_orders - 1, 0)
        return self.report()


class Watched(Part):
    """Tells its stage with what it is started."""

    stage: Stage

    def start(self, *arguments: str, descriptors: Sequence[int] = ()) -> None:
        self.stage.started.append(arguments)
        self.stage.bridge.is_paused = "paused" in arguments
        super().start(*arguments, descriptors=descriptors)


class Stage:
    """A keeper whose bot runs `code`."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self.records = BotRecords(database, autostart=False)
        self.bridge = Answers()
        self.code = STAY
        self.last_words = directory / "last-words"
        self.made: list[Part] = []
        self.started: list[tuple[str, ...]] = []
        self.bridge.pid = lambda: self.made[-1].pid if self.made else None
        self.keeper = self.another("tests")

    def another(self, holder: str) -> Keeper:
        accounts, leases = BotAccounts(self.database), Leases(self.database)
        return Keeper(self.records, accounts, leases, self.bridge, self.make, holder=holder, last_words=self.last_words)

    def keeper_after_a_restart(self) -> Keeper:
        """End what this keeper has, and return the one of the worker that comes next."""
        self.end()
        return self.another("tests")

    def make(self) -> Part:
        environment = {**os.environ, "LAST_WORDS": str(self.last_words)}
        part = Watched("bot", [sys.executable, "-S", "-E", "-c", self.code], environment=environment)
        part.stage = self
        self.made.append(part)
        return part

    def want(self, wanted: Wanted, number: int = 1) -> None:
        with self.database.write() as session:
            self.records.hold(session)
            self.records.want(session, Wish(wanted=wanted, number=number))

    def until(self, state: str, look: Callable[[Told], bool] = lambda _: True) -> Told:
        deadline = time.monotonic() + PATIENCE
        while True:
            self.keeper.turn()
            told = self.records.told()
            if told is not None and told.state == state and look(told):
                return told
            assert time.monotonic() < deadline, told
            time.sleep(0.01)

    def end(self) -> None:
        self.keeper.stop()
        self.keeper.run()


def exchange(name: str, mode: Mode) -> BotExchange:
    """Return an exchange as the bot tells of it."""
    return BotExchange(
        exchange=name, type="spot", mode=mode, reference_currency="USDT", symbols=["BTC/USDT"], trading_modes=[]
    )


def resting(order_id: str) -> Order:
    """Return a limit order as the bot tells it, of which a quarter has filled."""
    return Order(
        id=order_id,
        client_order_id=order_id,
        account="bot-binance",
        mode="live",
        exchange="binance",
        symbol="BTC/USDT",
        side="buy",
        type="limit",
        status="partially_filled",
        amount=Decimal("0.04"),
        filled=Decimal("0.01"),
        remaining=Decimal("0.03"),
        price=Decimal(40_000),
        stop_price=None,
        trailing_percent=None,
        average=Decimal(40_000),
        cost=Decimal(400),
        fee=None,
        time_in_force="gtc",
        reduce_only=False,
        group_id=None,
        triggered_at=None,
        reject_code=None,
        created_at=clock.now(),
        updated_at=clock.now(),
        exchange_order_id=f"at-binance-{order_id}",
    )
