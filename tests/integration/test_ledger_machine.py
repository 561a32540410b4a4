"""Random trading on the real engine, with commits that fail and restarts: the books agree at all times.

`LEDGER_STEPS=5000` makes it long.
"""

from __future__ import annotations

import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

import models
from tests.books import differences, rows
from tests.contract.engine import EngineExchange
from tests.databases import Factory
from tests.failures import Failures, Kind
from tests.machines import STEPS, run
from tests.settings import settings_for
from utils.errors import StorageUnavailable, TradingError
from utils.ids import new_id
from utils.money import round_down
from utils.wire import Actor, CancelOrder, CancelOrders, EditOrder, ExitLeg, OcoLeg, OrderTicket, PlaceOrder

PRICES = {"BTC/USDT": Decimal(50_000), "ETH/USDT": Decimal(2_500), "ETH/BTC": Decimal("0.05")}
TYPES = (
    "market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop", "trailing_stop_limit",
)  # fmt: skip

symbols = st.sampled_from(sorted(PRICES))
sides = st.sampled_from(("buy", "sell"))
factors = st.integers(-30, 30).map(lambda percent_tenths: 1 + Decimal(percent_tenths) / 1000)
moves = factors | st.sampled_from((Decimal(10), Decimal("0.1"), Decimal(1)))
picks = st.integers(0, 20)
sizes = st.sampled_from([Decimal(share) for share in ("0", "0.1", "0.25", "0.5", "1")])
"""Shares of what is free; 0 stands for the smallest amount, 1 for everything."""
tickets = st.fixed_dictionaries(
    {
        "symbol": symbols, "side": sides, "type": st.sampled_from(TYPES), "size": sizes, "at": factors, "stop": factors,
        "pair": st.booleans(), "bracket": st.booleans(), "keyed": st.booleans(),
        "force": st.sampled_from(("gtc", "gtc", "gtc", "gtc", "day", "ioc", "fok")),
    }
)  # fmt: skip


class Ledger(RuleBasedStateMachine):
    """One account that trades three markets which hang together."""

    make_database: Factory

    @initialize(drawn=st.lists(tickets, min_size=5, max_size=10))
    def open(self, drawn: list[dict[str, Any]]) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.database = self.make_database(self.directory)
        self.exchange = EngineExchange(settings_for(self.directory, self.database), self.database)
        self.host, self.bridge = self.exchange._host, self.exchange.bridge
        self.failures = Failures()
        self.failures.install(self.host.engine._journal)
        self.user, self.account = self.exchange.new_account()
        self.actor = Actor(user_id=self.user)
        self.markets = {instrument.symbol: instrument for instrument in self.bridge.instruments()}
        self.marks = dict(PRICES)
        self.reached: dict[str, set[Decimal]] = {}
        self.keys: dict[str, tuple[PlaceOrder, str]] = {}
        self.trades_seen = 0
        for symbol, price in PRICES.items():
            self.exchange.set_price(symbol, price)
        for symbol in ("BTC/USDT", "ETH/USDT"):
            ticket = OrderTicket(symbol=symbol, side="buy", type="market", quote_amount=Decimal(3_000))
            self.bridge.place_order(PlaceOrder(actor=self.actor, account=self.account, ticket=ticket))
        self.place(drawn)

    def teardown(self) -> None:
        if hasattr(self, "exchange"):
            try:
                self.agree_with_octobot()
            finally:
                self.exchange.close()
                self.database.close()
                shutil.rmtree(self.directory)

    # ---------------------------------------------------------------------------------------------- rules

    @rule(drawn=st.lists(tickets, min_size=1, max_size=6))
    def place(self, drawn: list[dict[str, Any]]) -> None:
        for each in drawn:
            keyed, ticket = each["keyed"], self._ticket(**{name: each[name] for name in each if name != "keyed"})
            command = PlaceOrder(
                actor=self.actor, account=self.account, ticket=ticket, idempotency_key=new_id() if keyed else None
            )
            with suppress(TradingError):
                order = self.bridge.place_order(command)
                if command.idempotency_key is not None:
                    self.keys[command.idempotency_key] = (command, order.id)

    @rule(which=picks, size=sizes, at=factors, fields=st.sets(st.integers(0, 3), min_size=1, max_size=2))
    def edit(self, which: int, size: Decimal, at: Decimal, fields: set[int]) -> None:
        with suppress(TradingError):
            self.bridge.edit_order(self._edit(which, size, at, fields))

    @rule(which=picks)
    def cancel(self, which: int) -> None:
        with suppress(TradingError):
            self.bridge.cancel_order(self._cancel(which))

    @rule(symbol=symbols)
    def cancel_all(self, symbol: str) -> None:
        with suppress(TradingError):
            self.bridge.cancel_orders(CancelOrders(actor=self.actor, account=self.account, symbol=symbol))

    @rule(symbol=symbols, move=moves)
    def tick(self, symbol: str, move: Decimal) -> None:
        self._move(symbol, move)
        self.host.tick(settle=False)
        self._settle()
        self.agree_with_octobot()

    @rule(which=picks, other=picks, symbol=symbols, move=moves, size=sizes, at=factors)
    def all_at_once(self, which: int, other: int, symbol: str, move: Decimal, size: Decimal, at: Decimal) -> None:
        edit, cancel = self._edit(which, size, at, {0, 1}), self._cancel(other)
        with ThreadPoolExecutor(2) as pool:
            pending = [pool.submit(self.bridge.edit_order, edit), pool.submit(self.bridge.cancel_order, cancel)]
            self._move(symbol, move)
            self.host.tick(settle=False)
            for each in pending:
                assert isinstance(each.exception(), TradingError | None)
        self._settle()

    @rule()
    def repeat_all(self) -> None:
        for command, order_id in self.keys.values():
            assert self.bridge.place_order(command).id == order_id

    @rule(number=st.integers(1, 3), kind=st.sampled_from(("away", "constraint", "after")))
    def fail(self, number: int, kind: Kind) -> None:
        self.failures.left, self.failures.kind = number, kind

    @rule()
    def restart(self) -> None:
        self.failures.left = 0
        self.exchange.restart()
        self.failures.install(self.host.engine._journal)

    # ----------------------------------------------------------------------------------------- invariants

    def agree_with_octobot(self) -> None:
        self.failures.left = 0
        self._settle()
        assert differences(self.database, self.bridge) == []

    @invariant()
    def books_agree(self) -> None:
        if hasattr(self, "exchange"):
            assert differences(self.database) == []

    @invariant()
    def nobody_beats_the_market(self) -> None:
        if not hasattr(self, "exchange"):
            return
        trades = rows(self.database, models.Trade)
        for trade in trades[self.trades_seen :]:
            marks = self.reached.get(trade.symbol, set()) | {self.marks[trade.symbol]}
            assert trade.price >= min(marks) if trade.side == "buy" else trade.price <= max(marks)
        self.trades_seen = len(trades)
        self.reached.clear()

    # --------------------------------------------------------------------------------------------- helpers

    def _move(self, symbol: str, move: Decimal) -> None:
        price = self._price(symbol, move)
        if PRICES[symbol] / 100 < price < PRICES[symbol] * 100:
            self.reached.setdefault(symbol, set()).add(self.marks[symbol])
            self.marks[symbol] = price
            self.exchange._market.set_price(symbol, price)

    def _price(self, symbol: str, factor: Decimal) -> Decimal:
        return round_down(self.marks[symbol] * factor, self.markets[symbol].price_tick)

    def _amount(self, symbol: str, side: str, size: Decimal, price: Decimal) -> Decimal:
        market = self.markets[symbol]
        currency = market.quote if side == "buy" else market.base
        holding = self.bridge.portfolio(self.account).currencies.get(currency)
        free = holding.free if holding else Decimal(0)
        most = free / (price * (1 + market.taker_fee)) if side == "buy" else free
        least = round_down(market.min_cost / price, market.amount_step) + market.amount_step
        return max(round_down(most * size, market.amount_step), least)

    def _ticket(
        self,
        symbol: str,
        side: Any,
        type: Any,
        size: Decimal,
        at: Decimal,
        stop: Decimal,
        pair: bool,
        bracket: bool,
        force: Any,
    ) -> OrderTicket:
        price = self._price(symbol, at)
        # mostly the side on which a trigger is allowed
        above = (side == "buy") == type.startswith("stop")
        beyond = 1 + abs(stop - 1) if above else 1 - abs(stop - 1)
        leg_factor = 1 + abs(stop - 1) if side == "buy" else 1 - abs(stop - 1)
        leg = OcoLeg(stop_price=self._price(symbol, leg_factor), price=price if size > Decimal("0.2") else None)
        # narrow exits around the price at which the entry may fill
        up = 1 if side == "buy" else -1
        profit = ExitLeg(price=self._price(symbol, at * (1 + up * Decimal("0.011"))))
        loss = ExitLeg(stop_price=self._price(symbol, at * (1 - up * Decimal("0.011"))))
        return OrderTicket(
            symbol=symbol,
            side=side,
            type=type,
            amount=self._amount(symbol, side, size, self.marks[symbol] if type == "market" else price),
            price=price if type.endswith("limit") else None,
            stop_price=self._price(symbol, beyond) if type.startswith(("stop", "take")) else None,
            trailing_percent=max(abs(stop - 1) * 100, Decimal("0.1")) if type.startswith("trailing") else None,
            time_in_force=force,
            oco=leg if pair and type in {"limit", "take_profit", "take_profit_limit"} else None,
            take_profit=profit if bracket else None,
            stop_loss=loss if bracket and not pair else None,
        )

    def _edit(self, which: int, size: Decimal, at: Decimal, fields: set[int]) -> EditOrder:
        order = self._pick(which)
        price = self._price(order.symbol, at)
        amount = self._amount(order.symbol, order.side, size, price)
        changes = (("amount", amount), ("price", price), ("stop_price", price), ("trailing_percent", abs(at - 1) * 100))
        chosen: dict[str, Any] = dict(
            changes[field] for field in fields if getattr(order, changes[field][0]) is not None
        )
        return EditOrder(actor=self.actor, account=self.account, order_id=order.id, **(chosen or {"amount": amount}))

    def _cancel(self, which: int) -> CancelOrder:
        return CancelOrder(actor=self.actor, account=self.account, order_id=self._pick(which).id)

    def _pick(self, which: int) -> Any:
        orders = rows(self.database, models.Order)
        choice = [row for row in orders if row.closed_at is None] or orders
        return choice[which % len(choice)]

    def _settle(self) -> None:
        # what failed together with an injected failure is over then
        with suppress(StorageUnavailable):
            self.host.run(self.host.engine.settle())
        self.host.run(self.host.engine.settle())


@pytest.mark.once
@pytest.mark.timeout(max(600, STEPS))
def test_the_books_agree_whatever_happens(new_database: Factory) -> None:
    class Machine(Ledger):
        make_database = staticmethod(new_database)

    run(Machine)
