"""An engine with one live account at a loopback exchange, and the truth to compare it with."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import select

import models
from config import Settings
from engine.live.timing import Timing
from engine.live.trader import client_id
from models import Database
from models.records import order_of
from tests.books import differences, untold
from tests.engine_host import EngineHost
from tests.exchanges.server import Loopback
from tests.integration.live.owners import open_account
from tests.integration.live.prices import SYMBOL, ExchangeMarket
from tests.manual_market import ManualMarket
from utils import wire
from utils.credentials import ApiKeys
from utils.errors import EngineUnavailable, Refused
from utils.octobot_bridge import OctoBotBridge, UnixTransport

OWNER = "main"
PASSPHRASE = "the-passphrase"
KEYS = ApiKeys("the-api-key-of-the-owner", "the-secret-of-the-owner", PASSPHRASE)
QUICK = Timing(
    send=1.5, window=1.0, query=3.0, lag=0.6, poll=0.15, idle=0.3, again=0.1, breaker_failures=5, breaker_open=0.5
)
LATE = {"exchange_unavailable", "exchange_clock_skew"}
"""Codes of orders that a busy machine sent later than the engine sends them, or than the exchange takes them."""


class House:
    """An engine that can be stopped and started, and its one live account."""

    other_prices: list[ExchangeMarket] = []
    SYMBOL = SYMBOL
    MARKET = ExchangeMarket
    ACCOUNT_TYPE = "spot"

    def __init__(self, settings: Settings, database: Database, exchange: Loopback, timing: Timing = QUICK) -> None:
        self.exchange = exchange
        self.database = database
        self.settings = replace(
            settings,
            exchanges=("demo", exchange.name),
            exchange_urls={exchange.name: exchange.url},
            live_trading_enabled=True,
        )
        exchange.add_key(key=KEYS.api_key, secret=KEYS.api_secret, passphrase=PASSPHRASE, account=OWNER)
        exchange.book.deposit(OWNER, "USDT", "100000")
        exchange.book.deposit(OWNER, "BTC", "1")
        self.user, self.account = self._open_account(KEYS, exchange)
        self._prices = self.MARKET(exchange.name)
        self.timing = timing
        self.start()
        self.bridge = OctoBotBridge(UnixTransport(self.settings.engine_socket), timeout=30)

    # ------------------------------------------------------------------------------------------- commands

    def start(self) -> None:
        """Start a new engine."""
        self.host = EngineHost(self.settings, ManualMarket(), [self._prices, *self.other_prices], self.timing)
        self.host.start()

    def close(self) -> None:
        """Stop the engine."""
        self.host.close()

    def restart(self) -> None:
        """Stop the engine and start another."""
        self.close()
        self.start()

    def place(
        self, side: wire.Side = "buy", *, key: str | None = None, account: str | None = None, **ticket: Any
    ) -> wire.Order:
        """Place an order; a limit of 0.01 at 40,000 when nothing else is said."""
        return self.taken(lambda: self.sent(side, key=key, account=account, **ticket))

    def sent(
        self, side: wire.Side = "buy", *, key: str | None = None, account: str | None = None, **ticket: Any
    ) -> wire.Order:
        """Place an order as `place` does, and return it as it was answered, certain or not."""
        fields: dict[str, Any] = {"type": "limit", "amount": "0.01", "price": "40000", **ticket}
        if fields["type"] == "market":
            fields["price"] = None
        for name in ("amount", "price", "quote_amount", "stop_price", "trailing_percent"):
            if fields.get(name) is not None:
                fields[name] = Decimal(fields[name])
        ticket_ = wire.OrderTicket(symbol=self.SYMBOL, side=side, **fields)
        actor = wire.Actor(user_id=self.user)
        return self.bridge.place_order(
            wire.PlaceOrder(actor=actor, account=account or self.account, ticket=ticket_, idempotency_key=key)
        )

    def quote(self, price: str, *, settle: bool = True) -> None:
        """Show a price to the engine; the exchange's own stays as it is."""
        self._prices.set_price(self.SYMBOL, Decimal(price))
        self.host.run(self._tick(settle))

    async def _tick(self, settle: bool) -> None:
        await self.host.engine._markets.get(self.exchange.name).tick()
        if settle:
            await self.host.engine.settle()

    def rest_everywhere(self, others: list[str], count: int) -> set[str]:
        """Let `count` orders rest on this account and on each of the `others`, and return their ids."""

        def fill(account: str) -> set[str]:
            bridge = OctoBotBridge(UnixTransport(self.settings.engine_socket), timeout=60)
            ids: set[str] = set()
            while len(ids) < count:
                ticket = wire.OrderTicket(
                    symbol=SYMBOL, side="buy", type="limit", amount=Decimal("0.0005"), price=Decimal(40_000)
                )
                command = wire.PlaceOrder(actor=wire.Actor(user_id=self.user), account=account, ticket=ticket)
                ids.add(self.taken(lambda: bridge.place_order(command)).id)  # noqa: B023 - called at once
            return ids

        with ThreadPoolExecutor() as pool:
            return set().union(*pool.map(fill, [self.account, *others]))

    def cancel(self, order: wire.Order) -> wire.Order:
        """Cancel an order."""
        actor = wire.Actor(user_id=self.user)
        command = wire.CancelOrder(actor=actor, account=self.account, order_id=order.id)
        return self._answered(self.bridge.cancel_order(command))

    def edit(self, order: wire.Order, **changes: str) -> wire.Order:
        """Edit an order."""
        values: dict[str, Any] = {name: Decimal(value) for name, value in changes.items()}
        actor = wire.Actor(user_id=self.user)
        command = wire.EditOrder(actor=actor, account=self.account, order_id=order.id, **values)
        return self._answered(self.bridge.edit_order(command))

    def taken(self, send: Callable[[], wire.Order], seconds: float = 45) -> wire.Order:
        """Return what `send` does; it is done again when the machine was too busy, and not because the exchange fails.

        :raises TradingError: the order was not taken.
        """
        end = time.monotonic() + seconds
        while True:
            is_over = time.monotonic() > end or self.exchange.faults.are_armed or self.exchange.skew
            try:
                order = self._answered(send())
            except EngineUnavailable as error:
                if is_over or error.code not in LATE:
                    raise
            else:
                if is_over or order.reject_code != "not_received":
                    return order
            time.sleep(0.05)

    def repeated(self, order: wire.Order, send: Callable[[], wire.Order]) -> bool:
        """Tell whether sending an order again under its key leads to it, or to how it was refused meanwhile."""
        try:
            return send().id == order.id
        except Refused:
            return self.order(order).status == "rejected"

    def _answered(self, order: wire.Order) -> wire.Order:
        """Wait until an order is known whose answer a busy machine kept waiting, and not a fault of the exchange."""
        is_late = order.status in wire.UNCERTAIN_STATUSES and not self.exchange.faults.are_armed
        return self.final(order) if is_late else order

    def is_open(self) -> bool:
        """Tell whether the account is open; opening it asks the exchange, which a busy machine may keep waiting."""
        try:
            self.bridge.portfolio(self.account)
        except EngineUnavailable:
            return False
        return True

    def tidy(self) -> None:
        """Let the exchange work again, and end every order."""
        self.exchange.faults.clear()
        self.exchange.book.lag = self.exchange.skew = 0
        self.exchange.settle()
        self.until(lambda: not self.uncertain())
        actor = wire.Actor(user_id=self.user)
        self.until(self.is_open)
        self.until(lambda: not any(each.trader.breaker.wait for each in self.host.engine._accounts.live()))
        self.bridge.cancel_orders(wire.CancelOrders(actor=actor, account=self.account))
        self.until(lambda: all(order.status in wire.FINAL_STATUSES for order in self.orders()))

    def uncertain(self) -> list[str]:
        """Return the orders of which nobody knows what the exchange has made."""
        return [order.id for order in self.orders() if order.status in wire.UNCERTAIN_STATUSES]

    def total(self, currency: str) -> Decimal:
        """Return what the account has of a currency, as its owner sees it."""
        holding = self.bridge.portfolio(self.account).currencies.get(currency)
        return Decimal(0) if holding is None else holding.total

    # ---------------------------------------------------------------------------------------------- truth

    def order(self, order: wire.Order) -> wire.Order:
        """Return an order as SQL has it."""
        with self.database.read() as connection:
            query = select(models.Order.__table__).where(models.Order.id == order.id)
            return order_of(connection.execute(query).one())

    def orders(self) -> list[wire.Order]:
        """Return all orders as SQL has them."""
        with self.database.read() as connection:
            query = select(models.Order.__table__).order_by(models.Order.id)
            return [order_of(row) for row in connection.execute(query)]

    def there(self, order: wire.Order) -> list[Any]:
        """Return what the exchange really has of an order: one when all is well, none when it never came."""
        return [each for each in self.exchange.book.orders(OWNER) if each.client_id == client_id(order)]

    def until(self, condition: Callable[[], object], seconds: float = 45) -> None:
        """Wait until `condition` holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never came to be"
            time.sleep(0.02)

    def final(self, order: wire.Order, seconds: float = 45) -> wire.Order:
        """Wait until an order is not uncertain any more, and return it."""
        self.until(lambda: self.order(order).status not in {"pending_new", "unknown", "pending_cancel"}, seconds)
        return self.order(order)

    def ended(self, order: wire.Order) -> wire.Order:
        """Wait until nothing more can come of an order, and return it."""
        self.until(lambda: self.order(order).status in wire.FINAL_STATUSES)
        return self.order(order)

    def disagreements(self) -> list[str]:
        """Return every way in which SQL and the exchange differ: lost, doubled, ghosts, phantoms, fills, balances."""
        found = differences(self.database) + untold(self.database)
        ours = {client_id(order): order for order in self.orders()}
        theirs: dict[str, list[Any]] = {}
        for each in self.exchange.book.orders(OWNER):
            theirs.setdefault(each.client_id, []).append(each)
        for identity, order in ours.items():
            there = theirs.get(identity, [])
            if len(there) > 1:
                found.append(f"doubled: {order.id}")
            if order.status == "rejected":
                found += [f"ghost: {order.id}"] if there and there[0].status != "rejected" else []
            elif order.sent_at is None:
                found += [f"sent: {order.id} was not to be"] if there else []
            elif not there and order.status != "canceled":
                found.append(f"phantom: {order.id} is {order.status}")
            elif there and order.filled != there[0].filled:
                found.append(f"fills: {order.id} has {order.filled}, the exchange {there[0].filled}")
            elif there and (order.status in wire.FINAL_STATUSES) != (there[0].status != "open"):
                found.append(f"state: {order.id} is {order.status}, the exchange says {there[0].status}")
        found += [f"lost: {identity}" for identity in theirs.keys() - ours.keys()]
        held = {currency: sum(parts) for currency, parts in self.exchange.book.balances(OWNER).items()}
        with self.database.read() as connection:
            booked = {
                row.currency: row.total
                for row in connection.execute(
                    select(models.Balance.__table__).where(models.Balance.account_id == self.account)
                )
            }
        for currency in held.keys() | booked.keys():
            if held.get(currency, Decimal(0)) != booked.get(currency, Decimal(0)):
                found.append(f"{currency}: booked {booked.get(currency)}, the exchange has {held.get(currency)}")
        return found

    def kinds(self) -> list[str]:
        """Return the kinds of all ledger entries, oldest first."""
        with self.database.read() as connection:
            query = select(models.LedgerEntry.kind).order_by(models.LedgerEntry.id)
            return list(connection.execute(query).scalars())

    def more_accounts(self, count: int, at: Loopback | None = None) -> list[str]:
        """Open accounts of other users, each with keys and money of its own at the exchange."""
        exchange = at or self.exchange
        accounts = []
        for number in range(count):
            name = f"other-{number}"
            keys = ApiKeys(f"the-api-key-of-{name}", f"the-secret-of-{name}", PASSPHRASE)
            exchange.add_key(key=keys.api_key, secret=keys.api_secret, passphrase=PASSPHRASE, account=name)
            exchange.book.deposit(name, "USDT", "1000000")
            accounts.append(self._open_account(keys, exchange)[1])
        return accounts

    def _open_account(self, keys: ApiKeys, exchange: Loopback) -> tuple[str, str]:
        return open_account(self.settings, self.database, keys, exchange.name, self.ACCOUNT_TYPE)
