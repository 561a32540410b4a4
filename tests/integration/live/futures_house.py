"""An engine with one live futures account at a loopback Binance, and the truth to compare it with."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import select

import models
from config import Settings
from engine.live.trader import client_id
from models import Database
from tests.books import differences
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.futures_book import FuturesBook
from tests.integration.live.house import KEYS, OWNER, QUICK, House
from tests.integration.live.prices import ExchangeMarket
from tests.manual_market import ManualMarket
from utils import wire

PERPETUAL = "BTC/USDT:USDT"
SWIFT = replace(QUICK, hold=0.2)


class FuturesMarket(ExchangeMarket):
    """Prices of the exchange's perpetuals."""

    def __init__(self, exchange: str) -> None:
        super().__init__(exchange)
        self.set_price(PERPETUAL, Decimal(50_000))

    def instruments(self) -> list[wire.Instrument]:
        """Return the demo's perpetual with the rules of the loopback exchange."""
        rules: dict[str, Any] = {
            **{"exchange": self.exchange, "price_tick": Decimal("0.1"), "amount_step": Decimal("0.001")},
            **{"min_amount": Decimal("0.001"), "min_cost": Decimal(5)},
        }
        swaps = [each for each in ManualMarket.instruments(self) if each.symbol == PERPETUAL]
        return [*super().instruments(), *(msgspec.structs.replace(each, **rules) for each in swaps)]


class FuturesHouse(House):
    """An engine that can be stopped and started, and its one live futures account."""

    exchange: LoopbackBinance
    SYMBOL = PERPETUAL
    MARKET = FuturesMarket
    ACCOUNT_TYPE = "futures"

    def __init__(self, settings: Settings, database: Database, exchange: LoopbackBinance) -> None:
        exchange.usdm.book.deposit(OWNER, "USDT", "10000")
        super().__init__(settings, database, exchange, SWIFT)
        exchange.add_key(KEYS.api_key, KEYS.api_secret, account=OWNER, permissions=["read", "trade", "futures"])

    @property
    def book(self) -> FuturesBook:
        """Return what is true at the exchange."""
        return self.exchange.usdm.book

    def set_price(self, price: str) -> None:
        """Move the exchange's price, and show it to the engine."""
        self.book.set_price(PERPETUAL, price)
        self.quote(price)

    def market(self, side: wire.Side = "buy", amount: str = "0.1", **ticket: Any) -> wire.Order:
        """Place a market order."""
        return self.place(side, type="market", amount=amount, **ticket)

    def close_position(self, key: str | None = None) -> wire.Order:
        """Close the position."""
        actor = wire.Actor(user_id=self.user)
        command = wire.ClosePosition(actor=actor, account=self.account, symbol=PERPETUAL, idempotency_key=key)
        return self.bridge.close_position(command)

    def leverage(self, leverage: str) -> wire.Leverage:
        """Choose the leverage."""
        actor = wire.Actor(user_id=self.user)
        command = wire.SetLeverage(actor=actor, account=self.account, symbol=PERPETUAL, leverage=Decimal(leverage))
        return self.bridge.set_leverage(command)

    @property
    def position(self) -> wire.Position | None:
        """Return the position as its owner sees it."""
        found = self.bridge.portfolio(self.account).positions
        return found[0] if found else None

    def there(self, order: wire.Order) -> list[Any]:
        """Return what the exchange really has of an order."""
        return [each for each in self.book.orders(OWNER) if each.client_id == client_id(order)]

    def ledger(self) -> list[tuple[str, Decimal]]:
        """Return kind and amount of every entry, oldest first."""
        with self.database.read() as connection:
            query = select(models.LedgerEntry.kind, models.LedgerEntry.amount).order_by(models.LedgerEntry.id)
            return [(row.kind, row.amount) for row in connection.execute(query)]

    def disagreements(self) -> list[str]:
        """Return every way in which SQL and the exchange differ: orders, fills, wallet, position, ledger by kind."""
        found = differences(self.database)
        ours = {client_id(order): order for order in self.orders()}
        theirs: dict[str, list[Any]] = {}
        for each in self.book.orders(OWNER):
            theirs.setdefault(each.client_id, []).append(each)
        for identity, order in ours.items():
            there = theirs.get(identity, [])
            if len(there) > 1:
                found.append(f"doubled: {order.id}")
            elif order.sent_at is None or order.status == "rejected":
                found += [f"ghost: {order.id}"] if there else []
            elif not there:
                found += [f"phantom: {order.id} is {order.status}"] if order.status != "canceled" else []
            elif order.filled != there[0].filled:
                found.append(f"fills: {order.id} has {order.filled}, the exchange {there[0].filled}")
            elif (order.status in wire.FINAL_STATUSES) != (there[0].status != "open"):
                found.append(f"state: {order.id} is {order.status}, the exchange says {there[0].status}")
        found += [
            f"lost: {each}" for each in theirs.keys() - ours.keys() if not each.startswith(("app-", "autoclose-"))
        ]
        wallet, booked = self.book.wallet(OWNER), sum((amount for _, amount in self.ledger()), Decimal(0))
        if wallet != booked:
            found.append(f"wallet: booked {booked}, the exchange has {wallet}")
        with self.database.read() as connection:
            row = connection.execute(select(models.Position.__table__)).first()
        there_is = self.book.position(OWNER, PERPETUAL)
        held = (Decimal(0), Decimal(0)) if row is None else (row.amount, row.entry_price or Decimal(0))
        if held != (there_is.amount, there_is.entry):
            found.append(f"position: {held}, the exchange has {there_is}")
        return found

    def agrees(self) -> None:
        """Wait until SQL and the exchange agree on everything. :raises AssertionError: they never do."""
        self.until(lambda: not self.disagreements())
