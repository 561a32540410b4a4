"""A market of a loopback exchange: its rules, its price as the test set it, and the candles that follow from it."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal


@dataclass(frozen=True)
class Market:
    """What may be traded, in which steps and at which fee; amounts in `base`, prices and notionals in `quote`."""

    base: str
    quote: str
    price: Decimal
    price_tick: Decimal
    amount_step: Decimal
    min_notional: Decimal = Decimal(5)
    max_amount: Decimal = Decimal(9000)
    max_price: Decimal = Decimal(1000000)
    max_open_orders: int = 200
    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")

    @property
    def symbol(self) -> str:
        """The name that ccxt gives it, like `BTC/USDT`."""
        return f"{self.base}/{self.quote}"

    def floor(self, amount: Decimal) -> Decimal:
        """Return `amount` cut to whole steps."""
        return (amount // self.amount_step) * self.amount_step


def default_markets() -> list[Market]:
    """Return the markets that a loopback exchange has unless it is told otherwise."""

    def market(base: str, price: str, tick: str, step: str) -> Market:
        return Market(base, "USDT", Decimal(price), Decimal(tick), Decimal(step))

    return [
        market("BTC", "50000", "0.01", "0.00001"),
        market("ETH", "3000", "0.01", "0.0001"),
        market("SOL", "150", "0.01", "0.001"),
        market("XRP", "0.5", "0.0001", "0.1"),
    ]


@dataclass(frozen=True)
class Candle:
    """Prices of one period that began at `start` (ms)."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass
class Quotes:
    """The price of one market, now and earlier, and how much can be had at it.

    `liquidity` is what takers can still take, None for as much as they like.
    """

    market: Market
    started: int
    spread: Decimal = Decimal(0)
    liquidity: Decimal | None = None
    times: list[int] = field(default_factory=list)
    prices: list[Decimal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.set(self.market.price, self.started)

    @property
    def price(self) -> Decimal:
        return self.prices[-1]

    @property
    def bid(self) -> Decimal:
        return self.price - self.spread

    @property
    def ask(self) -> Decimal:
        return self.price + self.spread

    def set(self, price: Decimal, now: int) -> None:
        """Note that the price is `price` from `now` (ms) on."""
        self.times.append(now)
        self.prices.append(price)

    def at(self, moment: int) -> Decimal:
        """Return the price at `moment` (ms); before the exchange started, its first one."""
        return self.prices[max(0, bisect.bisect_right(self.times, moment) - 1)]

    def candle(self, start: int, length: int) -> Candle:
        """Return the candle of the `length` ms from `start` on."""
        opening = self.at(start)
        first, last = bisect.bisect_left(self.times, start), bisect.bisect_left(self.times, start + length)
        seen = [opening, *self.prices[first:last]]
        return Candle(start, opening, max(seen), min(seen), seen[-1], Decimal(1 + last - first))

    def candles(self, length: int, *, limit: int, now: int, since: int | None = None) -> list[Candle]:
        """Return up to `limit` candles of `length` ms, from `since` (ms) or the latest, the unfinished one last."""
        current = now - now % length
        first = current - (limit - 1) * length if since is None else -(-since // length) * length
        return [self.candle(start, length) for start in range(first, current + 1, length)[:limit]]


def places(value: Decimal, digits: int = 8) -> Decimal:
    """Return `value` cut to `digits` decimals."""
    return value.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_DOWN)
