"""The engine as an exchange: what OctoBot in a strategy's process trades at, as a ccxt class over the line.

All that is asked here is answered by the engine from the strategy's account and its market; nothing is computed here.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

import ccxt
import ccxt.async_support as ccxt_async

from engine.demo.exchange import DemoExchange
from engine.demo.forms import book_form, candles_form, float_form, market_form, market_trade_form, moment_form
from engine.strategies.foreign.forms import balance_form, decimal_of, order_form, side_of, trade_form
from engine.strategies.foreign.line import Line
from utils import timeframes, wire
from utils.errors import (
    BridgeError,
    Conflict,
    NotFound,
    NotReady,
    Overloaded,
    Refused,
    StorageUnavailable,
    TradingError,
)
from utils.wire import Actor, OrderTicket, OrderType, Ticker

EXCHANGE = "engine"
MOST_CANDLES = 500
PLACING_SECONDS = 60.0
"""How long an order is asked for under its name when the engine cannot tell what became of it."""
RETRY_SECONDS = 0.5
_PASSING = (BridgeError, NotReady, Overloaded, StorageUnavailable)
_NOBODY = Actor(user_id="")
_line: list[Line] = []


def register(line: Line) -> None:
    """Make `EXCHANGE` known to OctoBot, at the other end of `line`."""
    _line[:] = [line]
    for module in (ccxt_async, ccxt):
        setattr(module, EXCHANGE, EngineClient)
        if EXCHANGE not in module.exchanges:
            module.exchanges.append(EXCHANGE)


class EngineClient(ccxt_async.Exchange):  # type: ignore[misc]
    """A ccxt exchange that asks the engine."""

    def describe(self) -> Any:
        """Return what ccxt wants to know of an exchange."""
        offered = (
            *("spot", "fetchMarkets", "fetchTicker", "fetchTickers", "fetchOHLCV", "fetchOrderBook", "fetchTrades"),
            *("fetchBalance", "fetchOrder", "fetchOpenOrders", "fetchClosedOrders", "fetchMyTrades"),
            *("createOrder", "createLimitOrder", "createMarketOrder", "cancelOrder"),
        )
        mine = {
            "id": EXCHANGE,
            "name": EXCHANGE,
            "countries": [],
            "rateLimit": 1,
            "enableRateLimit": False,
            "has": dict.fromkeys(offered, True) | {"fetchCurrencies": False},
            "timeframes": {name: name for name in timeframes.NAMES},
            "urls": {"api": {"public": "http://engine.invalid"}, "www": "", "doc": ""},
            "precisionMode": ccxt.TICK_SIZE,
            "requiredCredentials": {"apiKey": False, "secret": False},
        }
        return self.deep_extend(super().describe(), mine)

    async def close(self) -> None:
        """Do nothing: the line ends with the process."""

    async def fetch_markets(self, params: Any = None) -> list[dict[str, Any]]:  # noqa: ARG002
        """Return the markets of the strategy."""
        listing = await _ask(wire.GetInstruments())
        return [market_form(instrument) for instrument in listing.instruments]

    async def fetch_ticker(self, symbol: str, params: Any = None) -> Any:  # noqa: ARG002
        """Return the ticker of a market."""
        return (await self.fetch_tickers([symbol]))[symbol]

    async def fetch_tickers(self, symbols: Sequence[str] | None = None, params: Any = None) -> Any:  # noqa: ARG002
        """Return the tickers of `symbols`, or of all markets of the strategy."""
        tickers = await _ask(wire.GetTickers(exchange="", symbols=list(symbols) if symbols else None))
        return {ticker.symbol: self._ticker(ticker) for ticker in tickers}

    async def fetch_ohlcv(
        self,
        symbol: str,
        timeframe: str = "1m",
        since: int | None = None,
        limit: int | None = None,
        params: Any = None,  # noqa: ARG002
    ) -> list[list[float]]:
        """Return candles, the running one last."""
        most = min(limit or MOST_CANDLES, MOST_CANDLES)
        query = wire.GetCandles(exchange="", symbol=symbol, timeframe=timeframe, limit=most, since=since)
        return candles_form((await _ask(query)).candles)

    async def fetch_order_book(self, symbol: str, limit: int | None = None, params: Any = None) -> Any:  # noqa: ARG002
        """Return the best offers."""
        book = await _ask(wire.GetOrderBook(exchange="", symbol=symbol, depth=limit or 20))
        return book_form(symbol, book)

    async def fetch_trades(
        self,
        symbol: str,
        since: int | None = None,
        limit: int | None = None,
        params: Any = None,  # noqa: ARG002
    ) -> Any:
        """Return the latest trades of everybody, oldest first."""
        found = await _ask(wire.GetMarketTrades(exchange="", symbol=symbol, limit=limit or 50))
        forms = [market_trade_form(symbol, trade) for trade in reversed(found.trades)]
        return [self.safe_trade(form) for form in forms if form["timestamp"] >= (since or 0)]

    async def fetch_balance(self, params: Any = None) -> dict[str, Any]:  # noqa: ARG002
        """Return what the strategy's account holds."""
        return balance_form(await _ask(wire.GetPortfolio(account="")))

    async def fetch_order(self, id: str, symbol: str | None = None, params: Any = None) -> Any:  # noqa: ARG002
        """Return an order of the account."""
        return order_form(await _ask(wire.GetOrder(order_id=id)))

    async def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,  # noqa: ARG002
        limit: int | None = None,  # noqa: ARG002
        params: Any = None,  # noqa: ARG002
    ) -> list[Any]:
        """Return the open orders of the account."""
        orders = await _ask(wire.GetOpenOrders(account=""))
        return [order_form(order) for order in orders if symbol in {None, order.symbol}]

    async def fetch_closed_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,  # noqa: ARG002
        limit: int | None = None,
        params: Any = None,  # noqa: ARG002
    ) -> list[Any]:
        """Return the orders of the account that closed last, oldest first."""
        return [order_form(each) for each in await _ask(wire.GetClosedOrders(symbol=symbol, limit=limit or 100))]

    async def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: Any = None,  # noqa: ARG002
    ) -> list[Any]:
        """Return the latest trades of the account, oldest first."""
        trades = map(trade_form, await _ask(wire.GetOwnTrades(symbol=symbol, limit=limit or 100)))
        return [trade for trade in trades if trade["timestamp"] >= (since or 0)]

    async def create_order(  # noqa: PLR0917 - ccxt's own
        self, symbol: str, type: str, side: str, amount: Any, price: Any = None, params: Any = None
    ) -> Any:
        """Place an order under a name of its own, by which a lost answer is asked for again and nothing twice."""
        triggers = ("stopLossPrice", "triggerPrice", "stopPrice")
        trigger = next((params[name] for name in triggers if params and params.get(name)), None)
        kinds: dict[tuple[str, bool], OrderType] = {
            ("market", False): "market",
            ("limit", False): "limit",
            ("market", True): "stop",
            ("limit", True): "stop_limit",
        }
        ticket = OrderTicket(
            symbol=symbol,
            side=side_of(side),
            type=kinds[type, trigger is not None],
            amount=decimal_of(amount),
            price=decimal_of(price) if type == "limit" else None,
            stop_price=decimal_of(trigger),
            client_order_id=secrets.token_hex(8),
        )
        return order_form(await _place(wire.PlaceOrder(actor=_NOBODY, account="", ticket=ticket)))

    async def cancel_order(self, id: str, symbol: str | None = None, params: Any = None) -> Any:  # noqa: ARG002
        """Cancel an open order."""
        return order_form(await _ask(wire.CancelOrder(actor=_NOBODY, account="", order_id=id)))

    def _ticker(self, ticker: Ticker) -> Any:
        return self.safe_ticker(
            {
                **moment_form(ticker.as_of),
                "symbol": ticker.symbol,
                "high": float_form(ticker.high),
                "low": float_form(ticker.low),
                "bid": float_form(ticker.bid),
                "ask": float_form(ticker.ask),
                "last": float_form(ticker.last),
                "percentage": float_form(ticker.change_percent),
                "baseVolume": float_form(ticker.volume),
                "info": {},
            }
        )


class EngineExchange(DemoExchange):
    """OctoBot's exchange over `EngineClient`; its markets and fees are told in the demo exchange's form."""

    @classmethod
    def get_name(cls) -> str:
        """Return the name under which OctoBot knows it as a tentacle."""
        return cls.__name__

    @classmethod
    def is_supporting_exchange(cls, exchange_candidate_name: Any) -> bool:
        """Tell whether it is the class for an exchange."""
        return bool(exchange_candidate_name == EXCHANGE)


async def _place(command: wire.PlaceOrder) -> wire.Order:
    """Place an order; the engine knows it by its name, so that it may be asked for until the outcome is certain."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PLACING_SECONDS
    while True:
        try:
            placed: wire.Order = await _line[0].ask(command)
        except _PASSING as error:
            if loop.time() > deadline:
                raise _in_ccxt(error) from error
            await asyncio.sleep(RETRY_SECONDS)
        except TradingError as error:
            raise _in_ccxt(error) from error
        else:
            return placed


async def _ask(request: Any) -> Any:
    try:
        return await _line[0].ask(request)
    except TradingError as error:
        raise _in_ccxt(error) from error


def _in_ccxt(error: TradingError) -> Exception:
    """Return the error as ccxt would call it."""
    said = f"{error.code}: {error.detail}"
    kind: type[Exception] = ccxt.ExchangeNotAvailable
    if error.code == "insufficient_funds":
        kind = ccxt.InsufficientFunds
    elif isinstance(error, Refused):
        kind = ccxt.InvalidOrder
    elif isinstance(error, Conflict | NotFound):
        kind = ccxt.OrderNotFound
    return kind(said)
