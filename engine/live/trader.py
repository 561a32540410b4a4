"""The gate to a real exchange: OctoBot's `Trader`, through which nothing goes but what the desk has committed.

Requests go straight to the ccxt client of OctoBot's exchange. The layers in between are no way for money: they turn
amounts into floats, give back None for most failures, send orders again after some, and put a broker's prefix in
front of the client order id.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import ccxt
from octobot_trading import errors, exchanges

from engine.accounts.paper_trader import Gate
from engine.exchanges.attempt import Attempt, noting
from engine.exchanges.breaker import Breaker
from engine.live import fills
from engine.live.difference import Held
from engine.live.outcomes import (
    FAILURES,
    ExchangeFill,
    ExchangeOrder,
    Refusal,
    Unknown,
    fill_of,
    held_of,
    is_outage,
    of_failure,
    order_of,
)
from engine.live.timing import Timing
from engine.orders import kinds
from utils import wire
from utils.clock import to_ms
from utils.errors import EngineUnavailable
from utils.money import plain

_log = logging.getLogger(__name__)
PAGE = 100
"""Orders in one answer when all of them are listed: what every exchange has room for."""
MOST_LISTED = 500
LOOK_BACK_MS = 60_000
"""How long before an order was sent the search for it begins: clocks differ."""


_IDENTITIES = {
    "binance": ("private_get_account", ("uid",)),
    "kucoin": ("private_get_user_api_key", ("data", "uid")),
}
"""Which answer tells whose keys are, and the members that lead to it."""


class Unreachable(Exception):
    """The exchange could not be asked, or its answer made no sense."""


def client_id(order: wire.Order) -> str:
    """Return the id by which the exchange knows `order`: 32 hexadecimal digits, which every exchange takes."""
    return order.id.replace("-", "")


class LiveTrader(exchanges.Trader):  # type: ignore[misc]
    """Send, cancel and look up orders of one account, each request once."""

    breaker: Breaker
    timing: Timing
    gate: Gate | None = None
    """Where the orders of a trading mode go: to the desk, which has them sent when they are committed."""

    @property
    def client(self) -> Any:
        """Return the ccxt client."""
        return self.exchange_manager.exchange.connector.client

    # ---------------------------------------------------------------------------------------- ways of OctoBot

    async def create_order(self, order: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Let the gate decide about an order of a trading mode; what the desk has not committed must not be sent."""
        await self._gate().create(order)
        return order

    async def edit_order(self, order: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Refuse: no trading mode of ours does, and nobody else may."""
        raise errors.TraderDisabledError("orders of a live account go through the desk")

    async def cancel_order(self, order: Any, *args: Any, **kwargs: Any) -> bool:  # noqa: ARG002
        """Let the gate cancel an order for a trading mode."""
        await self._gate().cancel(order)
        return True

    def _gate(self) -> Gate:
        if self.gate is None:
            raise errors.TraderDisabledError("orders of a live account go through the desk")
        return self.gate

    async def on_invalid_credentials(self) -> None:
        """Do nothing: OctoBot would stop every strategy of the account's owner."""

    # --------------------------------------------------------------------------------------------- changes

    async def send(self, order: wire.Order) -> ExchangeOrder | Refusal | Unknown:
        """Send an order whose intent is committed: once, before its time is up."""
        params: dict[str, Any] = {"clientOrderId": client_id(order)}
        kind = kinds.sent_as(order)
        if order.time_in_force in {"ioc", "fok"} and (kind == "limit" or order.type == "market"):
            params["timeInForce"] = order.time_in_force.upper()
        if order.reduce_only and ":" in order.symbol:
            params["reduceOnly"] = True
        price = None if order.price is None else plain(order.price)
        request = (order.symbol, kind, order.side, plain(order.amount), price, params)
        answer = await self._change(self.timing.send_by(order), "create_order", *request)
        if isinstance(answer, Refusal | Unknown):
            return answer
        try:
            return order_of(answer)
        except FAILURES:
            return Unknown(reason="unreadable")

    async def recall(self, order: wire.Order) -> Refusal | Unknown | None:
        """Ask the exchange to cancel an order; None when it says that it did."""
        named = {} if order.exchange_order_id else {"clientOrderId": client_id(order)}
        request = (order.exchange_order_id or "", order.symbol, named)
        answer = await self._change(self.timing.send, "cancel_order", *request)
        return answer if isinstance(answer, Refusal | Unknown) else None

    async def _change(self, seconds: float, method: str, *request: Any) -> Any:
        """Call `method` of the client, once; a failure is returned as what it proves."""
        try:
            self.breaker.check()
        except EngineUnavailable:
            return Refusal(code="exchange_unavailable", again=True, retry_after=self.breaker.wait)
        if seconds <= 0:
            return Refusal(code="exchange_unavailable", again=True)
        with noting(urgent=True, key=self.client.apiKey) as attempt:
            try:
                answer = await asyncio.wait_for(self._call(method, request), seconds)
            except FAILURES as error:
                outcome = of_failure(error, attempt)
                self._note(outcome, error, attempt)
                _log.warning("%s: %s, %r: %s", method, type(error).__name__, attempt, outcome)
                return outcome
        if not attempt.readable:
            self.breaker.failed()
            return Unknown(reason="unreadable")
        self.breaker.succeeded()
        return answer

    async def _call(self, method: str, request: tuple[Any, ...]) -> Any:
        client = self.client
        if client.options.get("hf", False) is None:
            await client.load_migration_status()  # KuCoin has two kinds of accounts, with endpoints of their own
        return await getattr(client, method)(*request)

    def _note(self, outcome: Refusal | Unknown, error: BaseException, attempt: Attempt) -> None:
        if isinstance(outcome, Unknown) or outcome.again or is_outage(error, attempt):
            self.breaker.failed(outcome.retry_after)
        else:
            self.breaker.succeeded()

    # --------------------------------------------------------------------------------------------- queries

    async def find(self, order: wire.Order) -> ExchangeOrder | None:
        """Look `order` up everywhere; None when the exchange says that it is nowhere. :raises Unreachable: no answer.

        By client id first. Some exchanges find only open orders by it, so the lists are searched before an order
        counts as not found.
        """
        named = {"clientOrderId": client_id(order)}
        by_id = order.exchange_order_id is not None
        request = (order.exchange_order_id or "", order.symbol, {} if by_id else named)
        found = await self._one("fetch_order", *request)
        if found is None and by_id:
            found = await self._one("fetch_order", "", order.symbol, named)
        if found is not None:
            return found
        since = to_ms(order.sent_at or order.created_at) - LOOK_BACK_MS
        for method in ("fetch_open_orders", "fetch_closed_orders"):
            for candidate in await self._list(method, order.symbol, since):
                if order.exchange_order_id == candidate.id or candidate.client_id == client_id(order):
                    return candidate
        return None

    async def open_orders(self, symbol: str) -> list[ExchangeOrder]:
        """Return the open orders of a market. :raises Unreachable: no answer."""
        return await self._list("fetch_open_orders", symbol, None)

    async def open_listing(self, symbol: str) -> list[Any]:
        """Return ccxt's open orders of a market. :raises Unreachable: no answer."""
        return await self._listed("fetch_open_orders", symbol, None, MOST_LISTED, {})

    async def listing(self, symbol: str, since: int, until: int) -> list[Any]:
        """Return ccxt's orders of a market that were made in between (ms) and are over, and perhaps open ones.

        It may be one page of more. :raises Unreachable: no answer.
        """
        params = {"until": until, **({"limit": PAGE} if self.client.id == "kucoin" else {})}
        if self.client.has.get("fetchOrders") is True:
            return await self._listed("fetch_orders", symbol, since, PAGE, params)
        found = await self._listed("fetch_closed_orders", symbol, since, PAGE, params)
        if self.client.has.get("fetchCanceledOrders") is True:
            found += await self._listed("fetch_canceled_orders", symbol, since, PAGE, params)
        return found

    async def fills(self, order: wire.Order, exchange_order_id: str) -> list[ExchangeFill]:
        """Return the fills of an order, as far as the exchange shows them. :raises Unreachable: no answer."""
        try:
            raw = await self._fills(order, exchange_order_id)
            return [fill_of(each) for each in raw if str(each.get("order")) == exchange_order_id]
        except FAILURES as error:
            raise Unreachable(str(error)) from error

    async def _fills(self, order: wire.Order, exchange_order_id: str) -> list[Any]:
        if self.client.id == "binance":
            return await fills.at_binance(self._listed, order.symbol, exchange_order_id)
        if self.client.id == "kucoin":
            known = self.client.options["hf"] is True  # since the order was looked up
            return await fills.at_kucoin(self._listed, order.symbol, exchange_order_id, high_frequency=known)
        if self.client.has.get("fetchOrderTrades"):
            return await self._listed("fetch_order_trades", exchange_order_id, order.symbol)
        since = to_ms(order.sent_at or order.created_at) - LOOK_BACK_MS
        return await self._listed("fetch_my_trades", order.symbol, since)

    async def identity(self) -> str | None:
        """Return the exchange's name for whose keys these are; None where it has none that is known here.

        :raises Unreachable: no answer.
        """
        question = _IDENTITIES.get(self.client.id)
        if question is None:
            return None
        try:
            answer = await self._ask(question[0])
            for member in question[1]:
                answer = answer[member]
        except FAILURES as error:
            raise Unreachable(str(type(error).__name__)) from error
        return str(answer)

    async def balances(self) -> Held:
        """Return (total, locked) of every currency. :raises Unreachable: no answer."""
        try:
            return held_of(await self._ask("fetch_balance"))
        except FAILURES as error:
            raise Unreachable(str(error)) from error

    async def _listed(self, method: str, *request: Any) -> list[Any]:
        try:
            return list(await self._ask(method, *request))
        except FAILURES as error:
            raise Unreachable(str(error)) from error

    async def _one(self, *request: Any) -> ExchangeOrder | None:
        try:
            return order_of(await self._ask(*request))
        except ccxt.OrderNotFound:
            return None
        except FAILURES as error:
            raise Unreachable(str(error)) from error

    async def _list(self, method: str, symbol: str, since: int | None) -> list[ExchangeOrder]:
        name = "".join(part.title() if number else part for number, part in enumerate(method.split("_")))
        if not self.client.has.get(name):
            return []
        try:
            return [order_of(each) for each in await self._ask(method, symbol, since)]
        except FAILURES as error:
            raise Unreachable(str(error)) from error

    async def _ask(self, method: str, *request: Any) -> Any:
        """Call a reading `method` of the client.

        :raises Unreachable: no answer, or none that can be read. :raises ccxt.ExchangeError: the exchange's refusal.
        """
        try:
            self.breaker.check()
        except EngineUnavailable as error:
            raise Unreachable("breaker open") from error
        with noting() as attempt:
            try:
                answer = await asyncio.wait_for(self._call(method, request), self.timing.query)
            except FAILURES as error:
                if is_outage(error, attempt):
                    self.breaker.failed(attempt.retry_after)
                    raise Unreachable(f"{method}: {type(error).__name__}") from error
                self.breaker.succeeded()
                raise
        if not attempt.readable:
            self.breaker.failed()
            raise Unreachable(f"{method}: unreadable")
        self.breaker.succeeded()
        return answer
