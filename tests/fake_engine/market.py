"""The fake's market: four spot pairs, a price that is set by hand, candles and the stream of its changes."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from utils import timeframes
from utils.clock import from_ms
from utils.errors import EngineUnavailable, FieldError, NotFound, Refused
from utils.money import HUNDRED, ONE, ZERO
from utils.wire import (
    AccountEvent,
    Candle,
    CandleSeries,
    GetCandles,
    GetMarketTrades,
    GetOptionChain,
    GetOrderBook,
    GetTickers,
    Instrument,
    Level,
    MarketTrade,
    MarketTrades,
    OptionChain,
    OrderBook,
    Price,
    StreamEvent,
    Subscribe,
    SubscribeAccountEvents,
    Ticker,
)

EXCHANGE = "demo"
BUFFER = 1000
"""Events kept for clients that resume."""


def _spot(symbol: str, tick: str, step: str, maximum: str, min_cost: str) -> Instrument:
    base, quote = symbol.split("/")
    return Instrument(
        symbol=symbol,
        exchange=EXCHANGE,
        type="spot",
        base=base,
        quote=quote,
        price_tick=Decimal(tick),
        amount_step=Decimal(step),
        min_amount=Decimal(step),
        max_amount=Decimal(maximum),
        min_cost=Decimal(min_cost),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.0015"),
    )


INSTRUMENTS = {
    instrument.symbol: instrument
    for instrument in (
        _spot("BTC/USDT", "0.01", "0.00001", "9000", "5"),
        _spot("ETH/USDT", "0.01", "0.0001", "90000", "5"),
        _spot("DOGE/USDT", "0.00001", "1", "90000000", "1"),
        _spot("ETH/BTC", "0.00001", "0.0001", "90000", "0.0001"),
    )
}
FIRST_PRICES = {"BTC/USDT": "60000", "ETH/USDT": "3000", "DOGE/USDT": "0.15", "ETH/BTC": "0.05"}


class Market:
    """Hold the prices. Before the first change every price is taken to have been what it is now."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._events: deque[StreamEvent] = deque(maxlen=BUFFER)
        self._newest: dict[str, StreamEvent] = {}
        self._ids = itertools.count(1)
        self._history: dict[str, list[tuple[datetime, Decimal]]] = {symbol: [] for symbol in INSTRUMENTS}
        self.up = True
        for symbol, price in FIRST_PRICES.items():
            self.set_price(symbol, Decimal(price))

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move the mark of `symbol` and tell the subscribers."""
        tick = INSTRUMENTS[symbol].price_tick
        with self._changed:
            moment = self._clock()
            self._history[symbol].append((moment, price))
            quote = Price(
                symbol=symbol, exchange=EXCHANGE, price=price, bid=price - tick, ask=price + tick, as_of=moment
            )
            event = StreamEvent(id=next(self._ids), event="price", payload=quote)
            self._events.append(event)
            self._newest[symbol] = event
            self._changed.notify_all()

    def mark(self, symbol: str) -> Decimal:
        """Return the present price of `symbol`."""
        return self._history[symbol][-1][1]

    def value(self, currency: str, reference: str) -> Decimal | None:
        """Return the price of one `currency` in `reference`, None when no market tells."""
        if currency == reference:
            return Decimal(1)
        symbol = f"{currency}/{reference}"
        return self.mark(symbol) if symbol in INSTRUMENTS else None

    def tickers(self, query: GetTickers) -> list[Ticker]:
        """Return the last 24 hours of some markets, or of all."""
        check_exchange(query.exchange)
        symbols = INSTRUMENTS if query.symbols is None else query.symbols
        return [self.ticker(instrument(query.exchange, symbol).symbol) for symbol in symbols]

    def ticker(self, symbol: str) -> Ticker:
        """Return the last 24 hours of `symbol`."""
        history = self._history[symbol]
        since = self._clock() - timedelta(days=1)
        first = next((price for moment, price in reversed(history) if moment <= since), history[0][1])
        recent = [first, *(price for moment, price in history if moment > since)]
        last, tick = history[-1][1], INSTRUMENTS[symbol].price_tick
        return Ticker(
            symbol=symbol,
            exchange=EXCHANGE,
            last=last,
            bid=last - tick,
            ask=last + tick,
            high=max(recent),
            low=min(recent),
            volume=ZERO,
            change_percent=(last - first) / first * HUNDRED,
            as_of=history[-1][0],
            stale=False,
        )

    def candles(self, query: GetCandles) -> CandleSeries:
        """Fold the price changes into candles. :raises Refused: when the time frame does not exist."""
        instrument(query.exchange, query.symbol)
        if query.timeframe not in timeframes.NAMES:
            raise Refused("There is no such time frame.", code="unknown_timeframe", errors=_timeframe_error())
        moment = self._clock()
        now = int(moment.timestamp() * 1000)
        asked = timeframes.window(query.timeframe, limit=query.limit, since=query.since, until=query.until, now=now)
        candles: list[Candle] = []
        start = asked.first
        while start <= asked.last:
            end = timeframes.shifted(query.timeframe, start, 1)
            candles.append(self._candle(query.symbol, start, end, closed=end <= now))
            start = end
        newer = bool(candles) and start <= (now if query.until is None else min(now, query.until))
        return CandleSeries(
            candles=candles,
            more=query.since is None or newer,
            settled=bool(candles) and candles[-1].closed,
            as_of=moment,
        )

    def _candle(self, symbol: str, start: int, stop: int, *, closed: bool) -> Candle:
        history = self._history[symbol]
        opening, end = from_ms(start), from_ms(stop)
        before = next((price for moment, price in reversed(history) if moment < opening), history[0][1])
        prices = [before, *(price for moment, price in history if opening <= moment < end)]
        return Candle(
            timestamp=start,
            time=opening,
            open=before,
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=ZERO,
            closed=closed,
        )

    def order_book(self, query: GetOrderBook) -> OrderBook:
        """Return one unit at every tick around the price."""
        symbol, tick = query.symbol, instrument(query.exchange, query.symbol).price_tick
        mark, steps = self.mark(symbol), range(1, query.depth + 1)
        return OrderBook(
            symbol=symbol,
            exchange=EXCHANGE,
            bids=tuple(Level(mark - step * tick, ONE) for step in steps),
            asks=tuple(Level(mark + step * tick, ONE) for step in steps),
            as_of=self._history[symbol][-1][0],
        )

    def trades(self, query: GetMarketTrades) -> MarketTrades:
        """Return every change of the price as one bought unit."""
        symbol = instrument(query.exchange, query.symbol).symbol
        trades = [
            MarketTrade(
                id=str(number),
                symbol=symbol,
                exchange=EXCHANGE,
                side="buy",
                price=price,
                amount=ONE,
                created_at=moment,
            )
            for number, (moment, price) in enumerate(self._history[symbol])
        ]
        return MarketTrades(trades=trades[: -query.limit - 1 : -1], as_of=self._clock())

    def option_chain(self, query: GetOptionChain) -> OptionChain:
        """Refuse: the fake has no options. :raises NotFound: `no_options`."""
        symbol = instrument(query.exchange, query.symbol).symbol
        raise NotFound(f"There are no options on {symbol}.", code="no_options")

    def set_up(self, up: bool) -> None:
        """Come back, or go away: then every subscription ends."""
        with self._changed:
            self.up = up
            self._changed.notify_all()

    def events(self, query: Subscribe) -> Iterator[StreamEvent | None]:
        """Yield the subscription's events: a snapshot or what was missed first, then changes as they happen."""
        wanted = set(query.symbols or INSTRUMENTS)
        with self._changed:
            last, backlog = self._backlog(0 if query.history else query.since_id)
        if not backlog:
            yield None
        tells_end = query.history and bool(backlog)
        while True:
            for event in backlog:
                if event.payload is None or event.payload.symbol in wanted:
                    yield event
            if tells_end:
                yield None
                tells_end = False
            with self._changed:
                if self.up and self._last_id() == last:
                    self._changed.wait(query.heartbeat)
                if not self.up:
                    raise EngineUnavailable("The engine went away.", retry_after=2)
                missed = self._events[0].id > last + 1
                backlog = self._fresh_start(last) if missed else [e for e in self._events if e.id > last]
                silent = self._last_id() == last
                last = self._last_id()
            if silent:
                yield None

    def silence(self, query: SubscribeAccountEvents) -> Iterator[list[AccountEvent] | None]:
        """Yield the first frame of a subscription, then heartbeats as long as the engine is up."""
        yield []
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self.up, query.heartbeat)
                if not self.up:
                    raise EngineUnavailable("The engine went away.", retry_after=2)
            yield None

    def _backlog(self, since_id: int | None) -> tuple[int, list[StreamEvent]]:
        last = self._last_id()
        if since_id is None:
            return last, self._snapshot()
        if self._events[0].id - 1 <= since_id <= last:
            return last, [event for event in self._events if event.id > since_id]
        return last, self._fresh_start(since_id)

    def _fresh_start(self, since_id: int) -> list[StreamEvent]:
        snapshot = self._snapshot()
        # a client that leaves between the two resumes before the snapshot, not after it
        return [StreamEvent(id=min(since_id, snapshot[0].id - 1), event="reset"), *snapshot]

    def _snapshot(self) -> list[StreamEvent]:
        return sorted(self._newest.values(), key=lambda event: event.id)

    def _last_id(self) -> int:
        return self._events[-1].id


def instrument(exchange: str, symbol: str) -> Instrument:
    """Return the rules of `symbol`. :raises NotFound: when the exchange or the symbol does not exist."""
    check_exchange(exchange)
    found = INSTRUMENTS.get(symbol)
    if found is None:
        error = FieldError(field="symbol", code="unknown_symbol", message="There is no such market.")
        raise NotFound(f"There is no market {symbol} on {EXCHANGE}.", code="unknown_symbol", errors=(error,))
    return found


def check_exchange(exchange: str | None) -> None:
    """Refuse any exchange but the fake's own. :raises NotFound: naming it."""
    if exchange not in {None, EXCHANGE}:
        error = FieldError(field="exchange", code="unknown_exchange", message="There is no such exchange.")
        raise NotFound(f"There is no exchange {exchange}.", code="unknown_exchange", errors=(error,))


def _timeframe_error() -> tuple[FieldError, ...]:
    message = f"Use one of {', '.join(timeframes.NAMES)}."
    return (FieldError(field="timeframe", code="unknown_timeframe", message=message),)
