"""Reads of a real exchange beyond its prices: candles, order books, trades and options."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from config import Settings
from engine.exchanges.answers import Answer, Answers, Terms
from engine.exchanges.candles import Candles
from engine.exchanges.failures import check_readable
from engine.exchanges.options import Options
from utils import timeframes
from utils.money import told
from utils.wire import GetCandles, Level, MarketTrade

SETTLE_SECONDS = 60
"""For how long a candle that has closed may still change, since trades are told late."""
CANDLES = Terms(fresh=5.0, told=3600.0)
SETTLED_CANDLES = Terms(fresh=600.0, told=86_400.0)
BOOK = Terms(fresh=1.0, told=60.0)
TRADES = Terms(fresh=2.0, told=300.0)
OPTIONS = Terms(fresh=5.0, told=300.0)
_BOOK_DEPTHS = {"binance": 100, "kucoin": 100, "bybit": 200}
"""What to ask for; exchanges take few depths each, others are asked for what they give by themselves."""
_TRADES = {"binance": 500}


class Reads:
    """Ask one exchange, through `Answers`; to be used on the event loop of its source.

    Offers and trades are asked for once, however many of them each caller wants.
    All raise `ExchangeUnavailable`, or `EngineUnavailable` while an exchange that failed is left alone.
    """

    def __init__(
        self, exchange: str, settings: Settings, clock: Callable[[], float], connected: Callable[[str], Any]
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._connected = connected
        self._answers = Answers(exchange, clock)
        self._candles = Candles(exchange)
        self._options = Options(exchange, settings)

    async def candles(self, query: GetCandles) -> Answer:
        """Return candles. :raises Refused: `unknown_timeframe`, or `timeframe_not_offered`."""
        at = self._clock()

        async def read() -> Any:
            client = self._connected(query.symbol)
            self._candles.check(client, query.timeframe)
            return await self._candles.read(
                client,
                query.symbol,
                query.timeframe,
                limit=query.limit,
                since=query.since,
                until=query.until,
                at=at,
            )

        terms = SETTLED_CANDLES if is_settled(query, at) else CANDLES
        return await self._answers.ask(("candles", query), read, terms, len)

    async def order_book(self, symbol: str) -> Answer:
        """Return bids and asks, each best first."""

        async def read() -> tuple[list[Level], list[Level]]:
            book = await self._connected(symbol).fetch_order_book(symbol, _BOOK_DEPTHS.get(self._exchange))
            check_readable()
            bids, asks = ([Level(told(price), told(amount)) for price, amount, *_ in book[side]] for side in _SIDES)
            return bids, asks

        return await self._answers.ask(("book", symbol), read, BOOK, lambda book: len(book[0]) + len(book[1]))

    async def trades(self, symbol: str) -> Answer:
        """Return the latest trades, newest first."""

        async def read() -> list[MarketTrade]:
            found = await self._connected(symbol).fetch_trades(symbol, limit=_TRADES.get(self._exchange))
            check_readable()
            return [self._trade(symbol, trade) for trade in reversed(found)]

        return await self._answers.ask(("trades", symbol), read, TRADES, len)

    async def option_chain(self, base: str) -> Answer:
        """Return the expiries of the options on a currency. :raises NotFound: `no_options`."""

        async def read() -> Any:
            return await self._options.read(base)

        self._options.check()
        return await self._answers.ask(
            ("options", base), read, OPTIONS, lambda found: sum(len(e.strikes) for e in found)
        )

    async def close(self) -> None:
        """Give up what is under way and close the connections."""
        await self._answers.close()
        await self._options.close()

    def _trade(self, symbol: str, trade: dict[str, Any]) -> MarketTrade:
        return MarketTrade(
            id=None if trade["id"] is None else str(trade["id"]),
            symbol=symbol,
            exchange=self._exchange,
            side=trade["side"],
            price=told(trade["price"]),
            amount=told(trade["amount"]),
            created_at=datetime.fromtimestamp(trade["timestamp"] / 1000, UTC),
        )


def is_settled(query: GetCandles, at: float) -> bool:
    """Tell whether none of the candles that are asked for will change any more."""
    if query.timeframe not in timeframes.NAMES:
        return False
    now = int(at * 1000)
    window = timeframes.window(query.timeframe, limit=query.limit, since=query.since, until=query.until, now=now)
    return timeframes.shifted(query.timeframe, window.last, 1) + SETTLE_SECONDS * 1000 <= now


_SIDES = ("bids", "asks")
