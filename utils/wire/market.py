"""Instruments, prices and candles, as both sides of the bridge speak of them; the fields are the API's fields."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from utils.wire.base import Message
from utils.wire.trading import Side

TIMEFRAMES: dict[str, int] = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "2h": 7200,
    "4h": 14400,
    "6h": 21600,
    "12h": 43200,
    "1d": 86400,
}
"""Length of each time frame in seconds."""


class LeverageTier(Message, frozen=True, kw_only=True):
    """What holds for positions worth at most `max_cost`; rates are fractions."""

    max_cost: Decimal
    max_leverage: Decimal
    maintenance_margin_rate: Decimal


class Instrument(Message, frozen=True, kw_only=True):
    """A tradable market and its rules; fees are fractions (`0.001` = 0.1 %).

    A perpetual (`swap`) is settled in `settle`, follows the spot pair `index` and is funded every `funding_seconds`;
    it is inverse when `linear` is false. A spot market has none of these.
    """

    symbol: str
    exchange: str
    type: Literal["spot", "swap", "option"]
    base: str
    quote: str
    price_tick: Decimal
    amount_step: Decimal
    min_amount: Decimal
    max_amount: Decimal | None
    min_cost: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    settle: str | None = None
    contract_size: Decimal | None = None
    linear: bool | None = None
    max_leverage: Decimal | None = None
    leverage_tiers: tuple[LeverageTier, ...] = ()
    index: str | None = None
    funding_seconds: int | None = None


class Ticker(Message, frozen=True, kw_only=True):
    """The last 24 hours of a market; `volume` in base units, `stale` when the feed is mute.

    A perpetual also has a mark and an index price, the funding rate as it stands and the next time it is due.
    """

    symbol: str
    exchange: str
    last: Decimal
    bid: Decimal
    ask: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    change_percent: Decimal
    as_of: datetime
    stale: bool
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    funding_rate: Decimal | None = None
    next_funding_at: datetime | None = None


class Candle(Message, frozen=True, kw_only=True):
    """Open, high, low, close and base volume of one time frame; `timestamp` is its opening, epoch milliseconds."""

    timestamp: int
    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    closed: bool


class CandleSeries(Message, frozen=True, kw_only=True):
    """Candles, ascending and without gaps, as they were known at `as_of`.

    `more`: there are others beyond them: newer ones when they were asked for from a moment on, else older ones.
    `settled`: none of them will change any more. `stale`: the exchange does not answer, this is what it said last.
    """

    candles: list[Candle]
    more: bool
    settled: bool
    as_of: datetime
    stale: bool = False


class Listing(Message, frozen=True, kw_only=True):
    """Markets and their rules, as read at `as_of`; `stale` while an exchange of theirs cannot be read anew."""

    instruments: list[Instrument]
    as_of: datetime
    stale: bool = False


class Level(msgspec.Struct, frozen=True):
    """An offer of `amount` base units at `price`."""

    price: Decimal
    amount: Decimal


class OrderBook(Message, frozen=True, kw_only=True):
    """The offers of a market, best first on both sides."""

    symbol: str
    exchange: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    as_of: datetime
    stale: bool = False


class MarketTrade(Message, frozen=True, kw_only=True):
    """A trade of the market, by nobody in particular; `side` is the taker's, `id` None where the exchange has none."""

    id: str | None
    symbol: str
    exchange: str
    side: Side
    price: Decimal
    amount: Decimal
    created_at: datetime


class MarketTrades(Message, frozen=True, kw_only=True):
    """The latest trades of a market, newest first, as known at `as_of`."""

    trades: list[MarketTrade]
    as_of: datetime
    stale: bool = False


OptionType = Literal["call", "put"]


class OptionQuote(Message, frozen=True, kw_only=True):
    """One option: prices in the quote currency, implied volatility a year's as a fraction (0.55 = 55 %).

    `vega` and `rho` are for one percentage point, `theta` is for one day; what an exchange does not tell is None.
    """

    symbol: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    mark: Decimal | None = None
    last: Decimal | None = None
    implied_volatility: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    theta: Decimal | None = None
    vega: Decimal | None = None
    rho: Decimal | None = None
    open_interest: Decimal | None = None


class OptionStrike(Message, frozen=True, kw_only=True):
    """The call and the put of one strike."""

    strike: Decimal
    call: OptionQuote | None = None
    put: OptionQuote | None = None


class OptionExpiry(Message, frozen=True, kw_only=True):
    """The strikes of one expiry, ascending; `underlying_price` is what the options of this expiry are computed with."""

    expiry: datetime
    underlying_price: Decimal | None = None
    strikes: list[OptionStrike]


class OptionChain(Message, frozen=True, kw_only=True):
    """The options on `symbol`, by expiry."""

    symbol: str
    exchange: str
    expiries: list[OptionExpiry]
    as_of: datetime
    stale: bool = False


class Price(Message, frozen=True, kw_only=True):
    """The price event of the stream."""

    symbol: str
    exchange: str
    price: Decimal
    bid: Decimal
    ask: Decimal
    as_of: datetime


class StreamEvent(Message, frozen=True, kw_only=True):
    """One event of a subscription: `id` grows, also over restarts; `reset` means events were missed."""

    id: int
    event: Literal["price", "reset"]
    payload: Price | None = None


FeedState = Literal["connecting", "connected", "mute", "disconnected", "ended"]
"""`mute`: it answers, but no price arrives. `ended`: a recording that has run out."""


class FeedError(Message, frozen=True, kw_only=True):
    """Why a feed could last not be read."""

    code: str
    detail: str
    at: datetime


class RateBudget(Message, frozen=True, kw_only=True):
    """How often an exchange may be asked.

    `interval` is what is kept between two plain requests, in seconds. `used` and `limit` are what the exchange said
    last of its own count, None where it says nothing.
    """

    interval: float
    used: int | None = None
    limit: int | None = None


class FeedStatus(Message, frozen=True, kw_only=True):
    """The state of one exchange's market feed; ages in seconds, None before the first tick.

    `tick_age` is since prices were last read, `price_age` since any of them moved. `symbol_ages` are since each market
    last showed a sign of life: a change, or a newer time stamp of the exchange; `mute_symbols` showed none for too
    long. `connected` tells whether prices are good to trade at. `latency` is how long the last reading took, in
    seconds; `reconnects` how often the connection was made anew because it had failed or was mute.
    """

    exchange: str
    connected: bool
    symbols: int
    tick_age: float | None
    state: FeedState = "connected"
    price_age: float | None = None
    symbol_ages: dict[str, float] = {}
    mute_symbols: list[str] = []
    latency: float | None = None
    reconnects: int = 0
    last_error: FeedError | None = None
    rate_budget: RateBudget | None = None
