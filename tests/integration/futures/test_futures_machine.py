"""Random trading of perpetuals on the real engine, with failing commits, restarts and funding: the books agree.

`LEDGER_STEPS=5000` makes it long.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import models
from tests.books import differences, rows
from tests.contract.engine import EngineExchange
from tests.databases import Factory
from tests.failures import Failures, Kind
from tests.integration.futures.holder import Holder
from tests.machines import STEPS, run
from tests.settings import settings_for
from utils.errors import StorageUnavailable, TradingError
from utils.money import round_down
from utils.wire import CancelOrders, EditOrder, OcoLeg

MARKETS = {"BTC/USDT:USDT": Decimal(50_000), "ETH/USDT:USDT": Decimal(2_500), "DOGE/USDT:USDT": Decimal("0.15")}
TYPES = (
    "market", "market", "market", "limit", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit",
    "trailing_stop", "trailing_stop_limit",
)  # fmt: skip

symbols = st.sampled_from(sorted(MARKETS))
sides = st.sampled_from(("buy", "sell"))
factors = st.integers(-40, 40).map(lambda permille: 1 + Decimal(permille) / 1000)
moves = factors | st.sampled_from((Decimal("0.7"), Decimal("1.4"), Decimal("0.92"), Decimal("1.08")))
picks = st.integers(0, 20)
sizes = st.sampled_from([Decimal(share) for share in ("0.01", "0.1", "0.3", "0.9", "3")])
"""The value of an order, in wallets."""


tickets = st.fixed_dictionaries(
    {
        "symbol": symbols, "side": sides, "type": st.sampled_from(TYPES), "size": sizes, "at": factors, "stop": factors,
        "reduce_only": st.sampled_from((False, False, False, True)), "pair": st.booleans(),
    }
)  # fmt: skip


class FuturesLedger(RuleBasedStateMachine):
    """One futures account that trades three perpetuals."""

    make_database: Factory

    @initialize(leverage=st.sampled_from((3, 10, 25)), drawn=st.lists(tickets, min_size=8, max_size=12))
    def open(self, leverage: int, drawn: list[dict[str, Any]]) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.database = self.make_database(self.directory)
        self.exchange = EngineExchange(settings_for(self.directory, self.database), self.database)
        self.host = self.exchange._host
        self.failures = Failures()
        self.failures.install(self.host.engine._journal)
        self.user, self.account = self.exchange.new_account("futures")
        self.holder = Holder(self.exchange, self.user, self.account)
        self.instruments = {instrument.symbol: instrument for instrument in self.holder.bridge.instruments()}
        self.marks = dict(MARKETS)
        for symbol, price in MARKETS.items():
            self.exchange.set_price(symbol, price)
            self.exchange._market.set_funding_rate(symbol, Decimal("0.0003"))
            self.holder.leverage(leverage, symbol)
        for symbol in MARKETS:
            self.holder.place(
                "buy" if leverage > 3 else "sell", symbol=symbol, amount=self._amount(symbol, Decimal("0.6"))
            )
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

    @rule(drawn=st.lists(tickets, min_size=2, max_size=8))
    def place(self, drawn: list[dict[str, Any]]) -> None:
        for each in drawn:
            self._place(**each)

    @rule(symbol=symbols, share=st.sampled_from((Decimal(1), Decimal("0.5"), Decimal(2))))
    def protect(self, symbol: str, share: Decimal) -> None:
        """Hang reduce-only orders on a position; twice its size is refused."""
        for position in self.holder.positions:
            if position.symbol != symbol:
                continue
            step = self.instruments[symbol].amount_step
            amount = max(round_down(position.amount * share, step), step)
            side, factor = ("sell", Decimal("1.02")) if position.side == "long" else ("buy", Decimal("0.98"))
            with suppress(TradingError):
                price = self._price(symbol, factor)
                self.holder.place(side, "limit", symbol=symbol, amount=amount, price=price, reduce_only=True)
            with suppress(TradingError):
                price = self._price(symbol, 2 - factor)
                self.holder.place(side, "stop", symbol=symbol, amount=amount, stop_price=price, reduce_only=True)

    @rule(which=picks, size=sizes, at=factors)
    def edit(self, which: int, size: Decimal, at: Decimal) -> None:
        order = self._pick(which)
        if order is None:
            return
        changes: dict[str, Any] = {"amount": self._amount(order.symbol, size)}
        if order.price is not None:
            changes["price"] = self._price(order.symbol, at)
        with suppress(TradingError):
            self.holder.bridge.edit_order(
                EditOrder(actor=self.holder.actor, account=self.account, order_id=order.id, **changes)
            )

    @rule(which=picks)
    def cancel(self, which: int) -> None:
        order = self._pick(which)
        if order is not None:
            with suppress(TradingError):
                self.holder.cancel(order.id)

    @rule(symbol=symbols)
    def cancel_all(self, symbol: str) -> None:
        with suppress(TradingError):
            self.holder.bridge.cancel_orders(CancelOrders(actor=self.holder.actor, account=self.account, symbol=symbol))

    @rule(symbol=symbols)
    def close_position(self, symbol: str) -> None:
        with suppress(TradingError):
            self.holder.close_position(symbol)

    @rule(symbol=symbols, leverage=st.sampled_from((1, 3, 7, 20)))
    def leverage(self, symbol: str, leverage: int) -> None:
        with suppress(TradingError):
            self.holder.leverage(leverage, symbol)

    @rule(drawn=st.lists(st.tuples(symbols, moves), min_size=1, max_size=5), settling=st.booleans())
    def tick(self, drawn: list[tuple[str, Decimal]], settling: bool) -> None:
        for symbol, move in drawn:
            price = self._price(symbol, move)
            if MARKETS[symbol] / 20 < price < MARKETS[symbol] * 20:
                self.marks[symbol] = price
                self.exchange._market.set_price(symbol, price)
            self.host.tick(settle=False)
            if settling:
                self._settle()
        self.agree_with_octobot()

    @rule(number=st.integers(1, 3), kind=st.sampled_from(("away", "constraint", "after")))
    def fail(self, number: int, kind: Kind) -> None:
        self.failures.left, self.failures.kind = number, kind

    @rule(fundings=st.integers(0, 3))
    def restart(self, fundings: int) -> None:
        """Stop the engine, let some funding times pass, and start it again."""
        self.failures.left = 0
        self._settle()
        self.host.stop()
        before = {row.symbol: row for row in rows(self.database, models.Position) if row.opened_at is not None}
        for symbol, row in before.items():
            self.holder.pretend_funded_at(row.funded_at - timedelta(hours=8) * fundings, symbol)
        self.host.start()
        self.host.run(self.host.engine.funding_clock.wake())
        self.failures.install(self.host.engine._journal)

    # ----------------------------------------------------------------------------------------- invariants

    def agree_with_octobot(self) -> None:
        self.failures.left = 0
        self._settle()
        for _ in range(2):
            # what could not be stored is tried again at the next tick, and what that opened may be lost already
            self.host.tick(settle=False)
            self._settle()
        self.holder.agrees()
        for position in self.holder.positions:
            lost = position.liquidation_price
            mark = self.marks[position.symbol]
            assert lost is None or (mark > lost if position.side == "long" else mark < lost), "alive beyond its end"

    @invariant()
    def books_agree(self) -> None:
        if not hasattr(self, "exchange"):
            return
        assert differences(self.database) == []
        positions = rows(self.database, models.Position)
        amounts = dict.fromkeys(MARKETS, Decimal(0))
        for trade in rows(self.database, models.Trade):
            amounts[trade.symbol] += trade.amount if trade.side == "buy" else -trade.amount
        assert {row.symbol: row.amount for row in positions} == {row.symbol: amounts[row.symbol] for row in positions}
        wallet = sum(row.total for row in rows(self.database, models.Balance))
        assert wallet >= sum(row.margin for row in positions)

    @invariant()
    def what_reduces_never_exceeds_its_position(self) -> None:
        if not hasattr(self, "exchange"):
            return
        amounts = {row.symbol: row.amount for row in rows(self.database, models.Position)}
        for order in rows(self.database, models.Order):
            if order.closed_at is None and order.reduce_only:
                signed = order.amount if order.side == "buy" else -order.amount
                held = amounts[order.symbol]
                assert held * signed < 0
                assert abs(held) >= abs(signed)

    # --------------------------------------------------------------------------------------------- helpers

    def _place(
        self,
        symbol: str,
        side: str,
        type: str,
        size: Decimal,
        at: Decimal,
        stop: Decimal,
        reduce_only: bool,
        pair: bool,
    ) -> None:
        price = self._price(symbol, at)
        above = (side == "buy") == type.startswith("stop")
        beyond = 1 + abs(stop - 1) if above else 1 - abs(stop - 1)
        leg = OcoLeg(stop_price=self._price(symbol, 1 + abs(stop - 1) if side == "buy" else 1 - abs(stop - 1)))
        with suppress(TradingError):
            self.holder.place(
                side,
                type,
                symbol=symbol,
                amount=self._amount(symbol, size),
                price=price if type.endswith("limit") else None,
                stop_price=self._price(symbol, beyond) if type.startswith(("stop", "take")) else None,
                trailing_percent=max(abs(stop - 1) * 100, Decimal("0.1")) if type.startswith("trailing") else None,
                reduce_only=reduce_only,
                oco=leg if pair and type in {"limit", "take_profit"} else None,
            )

    def _price(self, symbol: str, factor: Decimal) -> Decimal:
        return round_down(self.marks[symbol] * factor, self.instruments[symbol].price_tick)

    def _amount(self, symbol: str, size: Decimal) -> Decimal:
        market = self.instruments[symbol]
        amount = round_down(10_000 * size / self.marks[symbol], market.amount_step)
        return max(amount, market.amount_step)

    def _pick(self, which: int) -> Any:
        choice = [row for row in rows(self.database, models.Order) if row.closed_at is None]
        return choice[which % len(choice)] if choice else None

    def _settle(self) -> None:
        with suppress(StorageUnavailable):
            self.host.run(self.host.engine.settle())
        self.host.run(self.host.engine.settle())


@pytest.mark.once
@pytest.mark.timeout(max(600, STEPS))
def test_the_books_agree_whatever_happens(new_database: Factory) -> None:
    class Machine(FuturesLedger):
        make_database = staticmethod(new_database)

    run(Machine)
