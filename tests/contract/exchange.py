"""What a contract test needs of an implementation, and the trader that talks to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

import pytest

from tests.fake_engine import FakeEngine
from utils.errors import TradingError
from utils.ids import new_id
from utils.octobot_bridge import OctoBotBridge
from utils.wire import (
    Actor,
    CancelOrder,
    CancelOrders,
    EditOrder,
    Instrument,
    OcoLeg,
    Order,
    OrderTicket,
    PlaceOrder,
    Preview,
    PreviewOrder,
    Trade,
)

SYMBOL = "BTC/USDT"


class Exchange(Protocol):
    """An implementation of the port under test, with its market at the test's command."""

    bridge: OctoBotBridge

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move the mark of `symbol` and wait until what it led to is visible."""

    def new_account(self) -> tuple[str, str]:
        """Open a paper account with 10,000 USDT; return the ids of its user and of itself."""

    def restart(self) -> None:
        """Stop the implementation and start it again on the same storage; skip the test when it has none."""

    def differences(self) -> list[str]:
        """Return where its books disagree, nowhere when it keeps none."""

    def close(self) -> None:
        """Free everything."""


class FakeExchange:
    """The fake, in this process."""

    def __init__(self) -> None:
        self._engine = FakeEngine()
        self.bridge = OctoBotBridge(self._engine)
        self.set_price = self._engine.set_price

    def new_account(self) -> tuple[str, str]:
        return new_id(), new_id()

    def restart(self) -> None:
        pytest.skip("the fake keeps nothing")

    def differences(self) -> list[str]:
        return []

    def close(self) -> None:
        self._engine.fail_with(None)


def dec(value: str | int | Decimal) -> Decimal:
    return Decimal(value)


@dataclass
class Trader:
    """One user with one account, who sends every order under a key and so can look at it again."""

    exchange: Exchange
    user: str
    account: str
    commands: dict[str, PlaceOrder] = field(default_factory=dict)
    keys: Iterator[int] = field(default_factory=itertools.count)

    @property
    def bridge(self) -> OctoBotBridge:
        return self.exchange.bridge

    @property
    def actor(self) -> Actor:
        return Actor(user_id=self.user)

    @property
    def market(self) -> Instrument:
        return next(i for i in self.bridge.instruments("demo") if i.symbol == SYMBOL)

    def set_price(self, price: str | int) -> None:
        self.exchange.set_price(SYMBOL, Decimal(price))

    def ticket(self, side: str = "buy", type: str = "market", **fields: Any) -> OrderTicket:
        if "quote_amount" not in fields:
            fields.setdefault("amount", "0.1")
        for name in ("amount", "quote_amount", "price", "stop_price", "trailing_percent"):
            if fields.get(name) is not None:
                fields[name] = Decimal(fields[name])
        return OrderTicket(symbol=fields.pop("symbol", SYMBOL), side=side, type=type, **fields)  # type: ignore[arg-type]

    def command(self, ticket: OrderTicket, key: str | None = None) -> PlaceOrder:
        return PlaceOrder(actor=self.actor, account=self.account, ticket=ticket, idempotency_key=key)

    def place(self, side: str = "buy", type: str = "market", **fields: Any) -> Order:
        command = self.command(self.ticket(side, type, **fields), f"key {next(self.keys)}")
        order = self.bridge.place_order(command)
        self.commands[order.id] = command
        return order

    def pair(
        self, price: str, stop_price: str, stop_limit: str | None = None, amount: str = "0.1"
    ) -> tuple[Order, Order]:
        """Place a selling one-cancels-the-other pair; return the limit and the stop."""
        leg = OcoLeg(stop_price=Decimal(stop_price), price=Decimal(stop_limit) if stop_limit else None)
        first = self.place("sell", "limit", amount=amount, price=price, oco=leg)
        second = next(o for o in self.open_orders() if o.group_id == first.group_id and o.id != first.id)
        return first, second

    def again(self, order: Order) -> Order:
        """Repeat the request that made `order`, which answers its present state."""
        return self.bridge.place_order(self.commands[order.id])

    def preview(self, side: str = "buy", type: str = "market", **fields: Any) -> Preview:
        return self.bridge.preview_order(PreviewOrder(account=self.account, ticket=self.ticket(side, type, **fields)))

    def edit(self, order: Order, **changes: Any) -> Order:
        exact: dict[str, Any] = {name: Decimal(value) for name, value in changes.items()}
        return self.bridge.edit_order(EditOrder(actor=self.actor, account=self.account, order_id=order.id, **exact))

    def edit_command(self, order: Order, **changes: Any) -> EditOrder:
        return EditOrder(actor=self.actor, account=self.account, order_id=order.id, **changes)

    def cancel(self, order_id: str) -> Order:
        return self.bridge.cancel_order(CancelOrder(actor=self.actor, account=self.account, order_id=order_id))

    def cancel_all(self, **filters: Any) -> list[Order]:
        return self.bridge.cancel_orders(CancelOrders(actor=self.actor, account=self.account, **filters))

    def open_orders(self) -> list[Order]:
        return self.bridge.open_orders(self.account)

    def open_ids(self) -> set[str]:
        return {order.id for order in self.open_orders()}

    def trades(self) -> list[Trade]:
        return self.bridge.trades(self.account)

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Return free and locked of every currency that is there."""
        held = self.bridge.portfolio(self.account).currencies
        for holding in held.values():
            assert holding.total == holding.free + holding.locked
            assert holding.free >= 0
            assert holding.locked >= 0
        return {currency: (h.free, h.locked) for currency, h in held.items() if h.total}

    def free(self, currency: str) -> Decimal:
        return self.balances().get(currency, (Decimal(0), Decimal(0)))[0]

    def locked(self, currency: str) -> Decimal:
        return self.balances().get(currency, (Decimal(0), Decimal(0)))[1]


@contextmanager
def fails(family: type[TradingError], code: str, field_name: str | None = None) -> Iterator[None]:
    """Expect exactly this error, naming this field."""
    with pytest.raises(TradingError) as caught:
        yield
    assert (type(caught.value), caught.value.code) == (family, code)
    if field_name is not None:
        assert [error.field for error in caught.value.errors] == [field_name]
        assert caught.value.errors[0].code == code
