"""The market of a real exchange, read over REST on a thread of its own: what it sends is large, and slow to read."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import ccxt
import msgspec

from config import Settings
from engine.exchanges import attempt
from engine.exchanges.client import connect, has_perpetuals
from engine.exchanges.failures import check_readable, unavailable
from engine.exchanges.instruments import instruments
from engine.exchanges.perpetuals import Perpetuals
from engine.exchanges.pulse import Sign, sign_of
from engine.exchanges.rates import budget
from engine.exchanges.reads import Reads
from engine.exchanges.tickers import ticker_of, turnover
from engine.markets.source import Funding, Quote
from utils.errors import EngineUnavailable, ExchangeUnavailable, NotFound
from utils.wire import Instrument, RateBudget, Ticker

Result = TypeVar("Result")
POLL_SECONDS = 10.0
"""How long a poll may take; the first one, which reads all markets, four times as long."""
RELOAD_SECONDS = 3600.0
"""How often the markets and their rules are read anew."""
MOST_MARKETS = 100
"""How many of an exchange's markets are followed unless they are named: the most traded ones."""


class ExchangeSource:
    """Ask one exchange. What was followed once stays: somebody may hold it. Instruments outlive the process in a file.

    Reading prices never waits: they are those of the last `poll`. Candles, books, trades and options are asked for.
    """

    def __init__(self, exchange: str, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self.exchange = exchange
        self._clock = clock
        self._settings = settings
        self._file = settings.data_dir / "markets" / f"{exchange}.json"
        self._instruments: dict[str, Instrument] = {each.symbol: each for each in self._remembered()}
        self._tickers: dict[str, Ticker] = {}
        self.signs: dict[str, Sign] = {}
        """What the last poll showed of each market."""
        self.latency: float | None = None
        """How long reading the prices took in the last poll, in seconds."""
        self._followed: list[str] = []
        self._loaded_at: float | None = None
        self._listed_at = self._file.stat().st_mtime if self._instruments else clock()
        self._client: Any = None
        self._perpetuals = Perpetuals(exchange, settings)
        self.reads = Reads(exchange, settings, clock, self._connected)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name=f"market of {exchange}")
        self._thread.start()

    # ---------------------------------------------------------------------------------------- a `PriceSource`

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the markets that are followed or were."""
        return tuple(self._instruments)

    @property
    def priced(self) -> tuple[str, ...]:
        """Return the markets that the last poll found a price of."""
        return tuple(self._tickers)

    @property
    def listed_at(self) -> float:
        """Return when the instruments were read (Unix seconds); before the first time, when they were remembered."""
        return self._listed_at

    def instruments(self) -> list[Instrument]:
        """Return their rules; none before the exchange was reached for the first time ever."""
        return list(self._instruments.values())

    def market_time(self, at: float) -> float:
        """Return `at`: the exchange lives in our time."""
        return at

    def quote(self, symbol: str, at: float) -> Quote:
        """Return the price of the last poll, whatever `at` is. :raises EngineUnavailable: `no_market_price`."""
        ticker = self.ticker(symbol, at)
        # the last trade may lie outside of what can be had now
        price = min(max(ticker.last, ticker.bid), ticker.ask)
        return Quote(
            symbol=symbol,
            price=price,
            bid=ticker.bid,
            ask=ticker.ask,
            at=ticker.as_of.timestamp(),
            mark_price=ticker.mark_price,
        )

    def ticker(self, symbol: str, at: float) -> Ticker:  # noqa: ARG002
        """Return the ticker of the last poll, whatever `at` is. :raises EngineUnavailable: `no_market_price`."""
        try:
            return self._tickers[symbol]
        except KeyError:
            detail = f"There is no price for {symbol} on {self.exchange} now."
            raise EngineUnavailable(detail, code="no_market_price", retry_after=5) from None

    def made_at(self, at: float) -> float:
        """Return `at`: an exchange goes on; `Pulse` tells whether it is alive."""
        return at

    def index_price(self, symbol: str, at: float) -> Decimal:
        """Return the index price of the last poll, whatever `at` is. :raises NotFound: `not_a_perpetual`."""
        return _of_perpetual(symbol, self.ticker(symbol, at).index_price)

    def funding_rate(self, symbol: str, at: float) -> Decimal:
        """Return the rate as it stands; `fundings` has those that were due. :raises NotFound: `not_a_perpetual`."""
        return _of_perpetual(symbol, self.ticker(symbol, at).funding_rate)

    # ---------------------------------------------------------------------------------------------- questions

    async def ask(self, question: Coroutine[Any, Any, Result]) -> Result:
        """Let `question`, one of `reads`, be answered on the exchange's thread."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(question, self._loop))

    async def fundings(self, symbol: str, after: datetime, until: datetime) -> list[Funding]:
        """Return what was due of a perpetual. :raises ExchangeUnavailable: it does not answer in time."""
        self._connected(symbol)
        return await self.ask(self._fundings(symbol, after, until))

    async def _fundings(self, symbol: str, after: datetime, until: datetime) -> list[Funding]:
        with attempt.noting() as noted:
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    return await self._perpetuals.fundings(symbol, after, until)
            except (ccxt.BaseError, TimeoutError, LookupError, TypeError, ValueError, ArithmeticError) as error:
                raise unavailable(self.exchange, error, noted.retry_after) from None

    # ------------------------------------------------------------------------------------------------ polling

    async def poll(self) -> float:
        """Read the prices of all followed markets in one request, and first the markets themselves when it is time.

        Returns the Unix seconds that the prices are dated with: when they were asked for.

        :raises ExchangeUnavailable: no answer; the prices stay as they were.
        """
        return await self.ask(self._poll())

    def renew(self) -> None:
        """Let the next poll connect anew and read the markets again; what is there stays until that has worked."""
        self._loaded_at = None
        self._perpetuals.renew()

    def rate_budget(self) -> RateBudget | None:
        """Return how often the exchange may be asked, None before it was."""
        return None if self._client is None else budget(self._client)

    async def close(self) -> None:
        """Close the connections and the thread."""
        await self.ask(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _leave(self) -> None:
        await self.reads.close()
        for client in (self._client, self._perpetuals.client):
            if client is not None:
                await client.close()

    async def _poll(self) -> float:
        swaps = asyncio.create_task(self._poll_perpetuals())
        try:
            now, tickers = await self._poll_spot()
        except BaseException:
            swaps.cancel()
            raise
        tickers += await swaps
        known = {**self._instruments, **self._perpetuals.instruments}
        if known != self._instruments:
            self._instruments = known
            self._remember()
        self._tickers = {ticker.symbol: ticker for ticker in tickers}
        self.signs |= self._perpetuals.signs
        return now

    async def _poll_perpetuals(self) -> list[Ticker]:
        known = [symbol for symbol in self._instruments if ":" in symbol]
        return await self._perpetuals.poll(known, self._clock) if has_perpetuals(self.exchange) else []

    async def _poll_spot(self) -> tuple[float, list[Ticker]]:
        due = self._loaded_at is None or time.monotonic() - self._loaded_at > RELOAD_SECONDS
        with attempt.noting() as noted:
            try:
                async with asyncio.timeout(POLL_SECONDS * 4 if due else POLL_SECONDS):
                    if due:
                        await self._load()
                    now, started = self._clock(), time.monotonic()
                    found = await self._fetch()
                check_readable()
                tickers = [
                    ticker_of(symbol, self.exchange, found[symbol], now) for symbol in self._followed if symbol in found
                ]
            except Exception as error:
                if isinstance(error, ccxt.BadSymbol):
                    self._loaded_at = None  # a market has gone: read them anew
                raise unavailable(self.exchange, error, noted.retry_after) from None
        self.latency = time.monotonic() - started
        told = {ticker.symbol: ticker for ticker in tickers if ticker is not None}
        self.signs = {symbol: sign_of(found[symbol]) for symbol in told}
        return now, list(told.values())

    async def _load(self) -> None:
        """Connect, always anew: a connection, or an answer that is kept on its way, may be what is wrong."""
        client = connect(self.exchange, self._settings)
        try:
            await client.load_markets()
        except BaseException:
            await client.close()
            raise
        before, self._client = self._client, client
        if before is not None:
            await before.close()
        offered = {each.symbol: each for each in instruments(self._client)}
        chosen = list(self._settings.market_symbols) or await self._most_traded(offered)
        self._followed = [symbol for symbol in dict.fromkeys([*chosen, *self._instruments]) if symbol in offered]
        known = {**self._instruments, **{symbol: offered[symbol] for symbol in self._followed}}
        if known != self._instruments:
            self._instruments = known
            self._remember()
        self._loaded_at, self._listed_at = time.monotonic(), self._clock()

    async def _most_traded(self, offered: dict[str, Instrument]) -> list[str]:
        if self._followed or not self._client.has.get("fetchTickers"):
            return self._followed or sorted(offered)[:MOST_MARKETS]
        tickers = await self._client.fetch_tickers()
        return sorted(offered, key=lambda symbol: turnover(offered[symbol], tickers), reverse=True)[:MOST_MARKETS]

    async def _fetch(self) -> dict[str, Any]:
        if self._client.has.get("fetchTickers"):
            found: dict[str, Any] = await self._client.fetch_tickers(self._followed)
            return found
        return {symbol: await self._client.fetch_ticker(symbol) for symbol in self._followed}

    def _connected(self, symbol: str) -> Any:
        client = self._perpetuals.client if ":" in symbol else self._client
        if client is None:
            raise ExchangeUnavailable(f"{self.exchange} cannot be reached.", retry_after=5)
        return client

    def _remembered(self) -> list[Instrument]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=list[Instrument])
        except (OSError, msgspec.DecodeError):
            return []

    def _remember(self) -> None:
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self.instruments()))
        fresh.replace(self._file)


def _of_perpetual(symbol: str, value: Decimal | None) -> Decimal:
    if value is None:
        raise NotFound(f"{symbol} is no perpetual.", code="not_a_perpetual")
    return value
