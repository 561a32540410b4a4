"""The market of one exchange: its instruments, the last quotes, and the tick that drives everything else."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

from msgspec.structs import replace

from engine.markets.source import Funding, PriceSource, Quote, funding_moments
from utils.errors import EngineUnavailable, FieldError, NotFound, Refused
from utils.wire import (
    CandleSeries,
    FeedStatus,
    GetCandles,
    GetMarketTrades,
    GetOptionChain,
    GetOrderBook,
    Instrument,
    Listing,
    MarketTrades,
    OptionChain,
    Order,
    OrderBook,
    Price,
    Ticker,
)

_log = logging.getLogger(__name__)
Listener = Callable[[list[Quote]], Awaitable[None]]


class Market(ABC):
    """Read a source once per tick and hand the quotes that changed to the listeners, in order.

    What is beyond prices (candles, offers, trades, options) is asked for; these questions never block the event loop.
    They raise `NotFound` for an unknown symbol.
    """

    def __init__(self, source: PriceSource, tick_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self.exchange = source.exchange
        self.octobot_name = source.exchange
        """What OctoBot's paper accounts on this market call their exchange."""
        self.instruments: dict[str, Instrument] = {market.symbol: market for market in source.instruments()}
        self._source = source
        self._tick_seconds = tick_seconds
        self._clock = clock
        self.quotes: dict[str, Quote] = {}
        self._ticked_at: float | None = None
        self._listed_at = clock()
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Call `listener` with the changed quotes of every tick; it is awaited before the next one."""
        self._listeners.append(listener)

    def quote(self, symbol: str) -> Quote:
        """Return the last quote. :raises NotFound: unknown symbol. :raises EngineUnavailable: before the first tick."""
        self.instrument(symbol)
        quote = self.quotes.get(symbol)
        if quote is None:
            raise EngineUnavailable(f"There is no price for {symbol} yet.", code="no_market_price", retry_after=1)
        return quote

    def instrument(self, symbol: str) -> Instrument:
        """Return a market's rules. :raises NotFound: unknown symbol."""
        try:
            return self.instruments[symbol]
        except KeyError:
            detail = f"There is no market {symbol} on {self.exchange}."
            error = FieldError(field="symbol", code="unknown_symbol", message=detail)
            raise NotFound(detail, code="unknown_symbol", errors=(error,)) from None

    def check_symbols(self, field: str, symbols: list[str]) -> None:
        """Refuse a list that names what is no market; all pass as long as the exchange was never connected.

        :raises Refused: `unknown_symbol`, with each by its place in `field`.
        """
        unknown = {number: symbol for number, symbol in enumerate(symbols) if symbol not in self.instruments}
        if not unknown or not self.instruments:
            return
        code, detail = "unknown_symbol", f"There is no market {{}} on {self.exchange}."
        errors = (
            FieldError(field=f"{field}.{number}", code=code, message=detail.format(symbol))
            for number, symbol in unknown.items()
        )
        raise Refused(detail.format(", ".join(unknown.values())), code=code, errors=tuple(errors))

    def fresh_quote(self, symbol: str) -> Quote:
        """Return the last quote when it is good to trade at. :raises EngineUnavailable: it is not; see `quote`."""
        return self.quote(symbol)

    @abstractmethod
    def mark_at(self, symbol: str, at: datetime) -> Decimal:
        """Return the mark of a moment that is past.

        :raises NotFound: unknown symbol. :raises EngineUnavailable: it is not known, or was not good to trade at.
        """

    def mark(self, order: Order) -> Decimal:
        """Return the last price of an order's market; before there is one, a price that the order names."""
        quote = self.quotes.get(order.symbol)
        if quote is not None:
            return quote.price
        named = order.price or order.stop_price or order.trailing_level
        return self.quote(order.symbol).price if named is None else named

    def listing(self) -> Listing:
        """Return all markets."""
        return Listing(instruments=list(self.instruments.values()), as_of=moment(self._listed_at))

    def tickers(self, symbols: list[str] | None) -> list[Ticker]:
        """Return tickers of `symbols` or of all markets. :raises NotFound: unknown symbol."""
        seen = self._seen_at()
        return [self._source.ticker(self.instrument(symbol).symbol, seen) for symbol in symbols or self.instruments]

    @abstractmethod
    async def candles(self, query: GetCandles) -> CandleSeries:
        """Return candles. :raises Refused: there is no such time frame."""

    @abstractmethod
    async def order_book(self, query: GetOrderBook) -> OrderBook:
        """Return the best offers."""

    @abstractmethod
    async def trades(self, query: GetMarketTrades) -> MarketTrades:
        """Return the latest trades."""

    @abstractmethod
    async def option_chain(self, query: GetOptionChain) -> OptionChain:
        """Return the options on a market. :raises NotFound: `no_options`, `unknown_expiry`."""

    def time(self) -> float:
        """Return the market's time at the last tick, in seconds since 1970: what its candles are stamped with."""
        return self._source.market_time(self._seen_at())

    async def fundings(self, symbol: str, after: datetime, until: datetime) -> list[Funding]:
        """Return the fundings of a perpetual later than `after`, up to and including `until`, oldest first.

        :raises EngineUnavailable: `funding_not_known` while the exchange does not tell what is due by now.
        """
        moments = funding_moments(self.instrument(symbol), after, until)
        return [self._funding(symbol, moment) for moment in moments]

    def _funding(self, symbol: str, moment: datetime) -> Funding:
        at = moment.timestamp()
        return Funding(at=moment, rate=self._source.funding_rate(symbol, at), mark=self._source.quote(symbol, at).price)

    def traded(self, symbol: str) -> Instrument:
        """Return the rules of a market that somebody wants to trade.

        :raises NotFound: unknown symbol. :raises Refused: `inverse_not_supported`, whether it is listed or not.
        """
        pair, _, settle = symbol.partition(":")
        if symbol not in self.instruments and settle and pair.split("/")[0] == settle:
            raise inverse_not_supported()
        return self.instrument(symbol)

    def status(self) -> FeedStatus:
        """Return how fresh the feed is."""
        if self._ticked_at is None:
            return FeedStatus(
                exchange=self.exchange,
                connected=False,
                state="connecting",
                symbols=len(self.instruments),
                tick_age=None,
            )
        now, made_at = self._clock(), self._source.made_at(self._ticked_at)
        price_age = max(now - made_at, 0.0)
        return FeedStatus(
            exchange=self.exchange,
            connected=True,
            state="connected" if made_at == self._ticked_at else "ended",
            symbols=len(self.instruments),
            tick_age=max(now - self._ticked_at, 0.0),
            price_age=price_age,
            symbol_ages=dict.fromkeys(self.quotes, price_age),
        )

    @abstractmethod
    async def close(self) -> None:
        """Let go of what the source holds."""

    async def run(self) -> None:
        """Tick until cancelled. A late tick is not made up for: the next one is at the next due time."""
        due = time.monotonic()
        while True:
            await self.tick()
            due += self._tick_seconds
            delay = due - time.monotonic()
            if delay < 0:
                due = time.monotonic()
            await asyncio.sleep(max(delay, 0))

    async def tick(self) -> None:
        """Read every market once and tell the listeners what changed."""
        now = self._clock()
        await self._tell([self._source.quote(symbol, now) for symbol in self.instruments], now)

    async def _tell(self, quotes: list[Quote], now: float) -> None:
        changed = [quote for quote in quotes if not _same(self.quotes.get(quote.symbol), quote)]
        self.quotes.update((quote.symbol, quote) for quote in changed)
        self._ticked_at = now
        for listener in self._listeners:
            try:
                await listener(changed)
            except Exception:
                _log.exception("a listener of the market failed")

    def _seen_at(self) -> float:
        # Not now: a price from after the last tick, at which orders do not fill yet, would be a look into the future.
        return self._clock() if self._ticked_at is None else self._ticked_at

    def price(self, quote: Quote) -> Price:
        """Return the stream's form of `quote`."""
        return Price(
            symbol=quote.symbol,
            exchange=self.exchange,
            price=quote.price,
            bid=quote.bid,
            ask=quote.ask,
            as_of=moment(quote.at),
        )


def moment(at: float) -> datetime:
    """Return the moment `at` Unix seconds."""
    return datetime.fromtimestamp(at, UTC)


def chosen(chain: OptionChain, query: GetOptionChain) -> OptionChain:
    """Return the part of a chain that a query asks for. :raises NotFound: `unknown_expiry`."""
    expiries = chain.expiries
    if query.expiry is not None:
        expiries = [each for each in expiries if each.expiry.date().isoformat() == query.expiry]
        if not expiries:
            detail = f"No options on {chain.symbol} expire on {query.expiry}."
            error = FieldError(field="expiry", code="unknown_expiry", message=detail)
            raise NotFound(detail, code="unknown_expiry", errors=(error,))
    if query.kind is not None:
        other = "put" if query.kind == "call" else "call"
        expiries = [
            replace(each, strikes=[replace(strike, **{other: None}) for strike in each.strikes]) for each in expiries
        ]
    return replace(chain, expiries=expiries)


def inverse_not_supported() -> Refused:
    """Return the error for inverse contracts, the fees of which OctoBot gets wrong."""
    detail, code = "Inverse contracts cannot be traded.", "inverse_not_supported"
    return Refused(detail, code=code, errors=(FieldError(field="symbol", code=code, message=detail),))


def _same(old: Quote | None, new: Quote) -> bool:
    return old is not None and (old.price, old.bid, old.ask, old.mark) == (new.price, new.bid, new.ask, new.mark)
