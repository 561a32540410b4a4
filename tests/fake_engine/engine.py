"""`FakeEngine`: a `Transport` that answers every request itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tests.fake_engine import account_changes as changes
from tests.fake_engine import gateway, positions, rankings, rules
from tests.fake_engine.books import REFERENCE, FakeAccount, FakeOrder, needed
from tests.fake_engine.keys import Keys
from tests.fake_engine.market import EXCHANGE, INSTRUMENTS, Market, check_exchange, instrument
from tests.fake_engine.matching import Matching, is_marketable
from tests.fake_engine.rules import Proposal
from utils import wire
from utils.clock import now
from utils.errors import Conflict, EngineUnavailable, NotFound, TradingError
from utils.ids import new_id
from utils.money import ZERO


class FakeEngine:
    """Trade in memory on the exchange `demo`; every account that is named is opened with 10,000 USDT."""

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._started_at = clock()
        self._market = Market(clock)
        self._matching = Matching(self._market, clock)
        self._accounts: dict[str, FakeAccount] = {}
        self._keys = Keys()
        self._failure: TradingError | None = None
        self.credential_check = wire.CredentialCheck(permissions=["read", "trade"])
        self._answers: dict[type, Callable[[Any], Any]] = {
            wire.PlaceOrder: self._place,
            wire.PreviewOrder: self._preview,
            wire.EditOrder: self._edit,
            wire.CancelOrder: self._cancel,
            wire.CancelOrders: self._cancel_all,
            wire.ClosePosition: self._once(lambda account, it: self._open(positions.closing(account, it)).shown()),
            wire.SetLeverage: self._once(positions.set_leverage),
            wire.DepositFunds: self._once(
                lambda account, it: changes.deposit(account, it, self._market, self._clock())
            ),
            wire.ResetAccount: self._once(
                lambda account, it: changes.reset(account, it, self._matching, self._clock())
            ),
            wire.ArchiveAccount: self._once(lambda account, it: changes.archive(account, it, self._matching)),
            wire.GetEquity: lambda query: [
                changes.equity(self._account(each), query.currency or REFERENCE, self._market)
                for each in query.accounts
            ],
            wire.GetPortfolio: lambda query: self._account(query.account).portfolio(self._market, self._clock()),
            wire.GetOpenOrders: lambda query: [order.shown() for order in self._account(query.account).open_orders()],
            wire.GetTrades: lambda query: list(self._account(query.account).trades),
            wire.GetInstruments: self._instruments,
            wire.GetTickers: self._market.tickers,
            wire.GetCandles: self._market.candles,
            wire.GetOrderBook: self._market.order_book,
            wire.GetMarketTrades: self._market.trades,
            wire.GetOptionChain: self._market.option_chain,
            **rankings.ANSWERS,
            wire.GetStatus: self._status,
            wire.GetMetrics: lambda _query: "",
            wire.GetBotConfig: lambda _query: wire.BotConfig(
                octobot_version="fake", config={"exchanges": {EXCHANGE: {}}}
            ),
            wire.ConnectExchange: gateway.connect,
            wire.DisconnectExchange: gateway.disconnect,
            wire.VerifyCredential: lambda _query: self.credential_check,
        }

    # ------------------------------------------------------------------------------------------ the transport

    def call(self, request: wire.AnyRequest, deadline: float) -> Any:
        """Answer `request`; see `Transport.call`."""
        del deadline  # everything happens at once
        with self._lock:
            if self._failure is not None:
                raise self._failure
            self._expire()
            return self._answers[type(request)](request)

    def stream(self, request: wire.Subscription) -> Iterator[Any]:
        """Subscribe; see `Transport.stream`. Nothing is committed here, so there are no account events."""
        if self._failure is not None:
            raise self._failure
        return self._market.events(request) if isinstance(request, wire.Subscribe) else self._market.silence(request)

    # --------------------------------------------------------------------------------------- what tests move

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move the mark of `symbol`: what it crosses fills before this returns."""
        with self._lock:
            self._expire()
            self._market.set_price(symbol, price)
            for account in self._accounts.values():
                for order in account.open_orders():
                    if order.ticket.symbol == symbol:
                        self._matching.tick(account, order)

    def fail_with(self, error: TradingError | None) -> None:
        """Raise `error` from every call until None is given; `EngineUnavailable` also ends the streams."""
        self._failure = error
        self._market.set_up(not isinstance(error, EngineUnavailable))

    # ------------------------------------------------------------------------------------------------ orders

    def _place(self, command: wire.PlaceOrder) -> wire.Order:
        order_id = self._keys.once(command, lambda: self._open(command).id)
        return self._account(command.account).orders[order_id].shown()

    def _once(self, change: Callable[[FakeAccount, Any], Any]) -> Callable[[Any], Any]:
        """Return what carries a command out on its account, once per key."""
        return lambda command: self._keys.once(command, lambda: change(self._account(command.account), command))

    def _open(self, command: wire.PlaceOrder) -> FakeOrder:
        account = self._account(command.account)
        changes.check_active(account)
        proposal = self._proposal(account, command.ticket)
        rules.check(proposal)
        pair = new_id() if proposal.leg() is not None else None
        order = self._new_order(account, proposal, pair)
        leg = proposal.leg()
        if leg is not None:
            self._new_order(account, leg, pair)
        self._matching.place(account, order)
        return order

    def _new_order(self, account: FakeAccount, proposal: Proposal, pair: str | None) -> FakeOrder:
        moment, identifier = self._clock(), new_id()
        order = FakeOrder(
            id=identifier,
            account=account.id,
            ticket=proposal.ticket,
            amount=proposal.amount,
            best=proposal.mark,
            created_at=moment,
            updated_at=moment,
            client_order_id=proposal.ticket.client_order_id or identifier,
            group_id=pair,
        )
        account.orders[order.id] = order
        return order

    def _proposal(self, account: FakeAccount, ticket: wire.OrderTicket) -> Proposal:
        market = instrument(EXCHANGE, ticket.symbol)
        mark = self._market.mark(ticket.symbol)
        if ticket.type == "market":
            ticket = msgspec.structs.replace(ticket, price=None)
        rules.check_complete(ticket)
        return Proposal(ticket, rules.resolved_amount(ticket, market, mark), account, market, mark)

    def _preview(self, query: wire.PreviewOrder) -> wire.Preview:
        account = self._account(query.account)
        changes.check_active(account)
        proposal = self._proposal(account, query.ticket)
        ticket, market = proposal.ticket, proposal.instrument
        checks = rules.checks(proposal)
        at_once = is_marketable(ticket, proposal.mark)
        price = proposal.mark if at_once or ticket.type == "trailing_stop" else ticket.price or ticket.stop_price
        cost = proposal.amount * (price or ZERO)
        fee = cost * (market.taker_fee if at_once or "limit" not in ticket.type else market.maker_fee)
        return wire.Preview(
            symbol=ticket.symbol,
            side=ticket.side,
            type=ticket.type,
            amount=proposal.amount,
            price=price,
            cost=cost,
            fee=wire.Fee(currency=market.quote, cost=fee),
            balance_after=self._balance_after(proposal, cost, fee),
            checks=checks,
            ok=all(check.ok for check in checks),
        )

    def _balance_after(self, proposal: Proposal, cost: Decimal, fee: Decimal) -> dict[str, Decimal]:
        account, ticket, market = proposal.account, proposal.ticket, proposal.instrument
        free = {currency: account.free(currency) for currency in (market.base, market.quote)}
        if is_marketable(ticket, proposal.mark):
            sign = 1 if ticket.side == "buy" else -1
            free[market.base] += sign * proposal.amount
            free[market.quote] -= sign * cost + fee
        elif ticket.type == "limit" and ticket.time_in_force not in wire.IMMEDIATE:
            currency, need = needed(ticket, proposal.amount, market, proposal.mark)
            free[currency] -= need
        return free

    def _edit(self, command: wire.EditOrder) -> wire.Order:
        account = self._account(command.account)
        order = self._find(account, command.order_id)
        changes = {
            name: value
            for name in ("amount", "price", "stop_price", "trailing_percent", "take_profit", "stop_loss")
            if (value := getattr(command, name)) is not None
        }
        for name in changes:
            rules.check_editable(order, name)
        ticket = msgspec.structs.replace(order.ticket, **{"amount": order.amount, "quote_amount": None, **changes})
        mark = self._market.mark(ticket.symbol)
        market = INSTRUMENTS[ticket.symbol]
        single = msgspec.structs.replace(ticket, oco=None)
        rules.check(Proposal(single, ticket.amount or ZERO, account, market, mark, released=order))
        for member in self._matching.group(account, order):
            member.amount = ticket.amount or member.amount
        order.ticket = ticket
        order.updated_at = self._clock()
        self._matching.tick_edited(account, order)
        return order.shown()

    def _cancel(self, command: wire.CancelOrder) -> wire.Order:
        account = self._account(command.account)
        order = self._find(account, command.order_id)
        self._matching.close(account, order, "canceled")
        return order.shown()

    def _cancel_all(self, command: wire.CancelOrders) -> list[wire.Order]:
        account = self._account(command.account)
        matching = [
            order
            for order in account.open_orders()
            if command.symbol in {None, order.ticket.symbol} and command.side in {None, order.ticket.side}
        ]
        for order in matching:
            if order.is_open:
                self._matching.close(account, order, "canceled")
        return [order.shown() for order in matching]

    def _find(self, account: FakeAccount, order_id: str) -> FakeOrder:
        order = account.orders.get(order_id)
        if order is None:
            raise NotFound("There is no such order.", code="order_not_found")
        if not order.is_open:
            raise Conflict(f"The order is {order.status}.", code="order_not_open")
        return order

    def _expire(self) -> None:
        today = self._clock().date()
        for account in self._accounts.values():
            for order in account.open_orders():
                if order.ticket.time_in_force == "day" and order.created_at.date() < today and order.is_open:
                    self._matching.close(account, order, "expired")

    def _account(self, account: str) -> FakeAccount:
        return self._accounts.setdefault(account, FakeAccount(account))

    # ---------------------------------------------------------------------------------------------- the rest

    def _instruments(self, query: wire.GetInstruments) -> wire.Listing:
        check_exchange(query.exchange)
        return wire.Listing(instruments=list(INSTRUMENTS.values()), as_of=self._started_at)

    def _status(self, _query: wire.GetStatus) -> wire.EngineStatus:
        return wire.EngineStatus(
            pid=os.getpid(),
            octobot_version="fake",
            started_at=self._started_at,
            accounts_in_memory=len(self._accounts),
            open_orders=sum(len(account.open_orders()) for account in self._accounts.values()),
            loop_lag=0.0,
            feeds=[gateway.status()],
        )
