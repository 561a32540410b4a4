"""A market and an account of a few lines, in which strategies decide candle after candle."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from engine.demo.generator import DemoMarket
from engine.strategies.book import OrderBook
from engine.strategies.mode import StrategyMode
from engine.strategies.view import Cancel, Place, Remember, View, order_name
from tests.order_rows import MORNING
from utils.money import ONE, ZERO, round_down
from utils.wire import Alert, Candle, Fee, Instrument, Order

EPOCH = 1_750_000_000
FEE = Decimal("0.001")
MARKETS = {market.symbol: market for market in DemoMarket(7, EPOCH).instruments()}


def recorded(symbol: str, timeframe: str, limit: int) -> list[Candle]:
    """Return closed candles of the generated market; always the same ones."""
    candles = DemoMarket(7, EPOCH).candles(symbol, timeframe, limit=limit + 1, at=EPOCH + 86_400 * 30)
    return [candle for candle in candles if candle.closed][-limit:]


def write_recording(path: Path, candles: Iterable[Candle]) -> Path:
    """Write candles as a file for `DEMO_REPLAY`; its name says the market."""
    lines = [f"{c.timestamp},{c.open},{c.high},{c.low},{c.close},{c.volume}" for c in candles]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]) + "\n", encoding="utf-8")
    return path


class Playground:
    """Fill market orders at the price, limits when the price is there; fees in the quote currency.

    When it is `live`, fees of purchases are taken from the coins, as some exchanges do.
    """

    live = False

    def __init__(self, kind: type[StrategyMode], money: str, *symbols: str, **settings: Any) -> None:
        self.kind = kind
        self.settings = kind.SETTINGS(**settings)
        self.markets: dict[str, Instrument] = {symbol: MARKETS[symbol] for symbol in symbols or ("BTC/USDT",)}
        self.totals: dict[str, Decimal] = {
            "USDT": Decimal(money),
            **{each.base: ZERO for each in self.markets.values()},
        }
        self.orders: dict[str, Order] = {}
        self.memory: dict[str, str] = {}
        self.run = 1
        self.prices: dict[str, Decimal] = {}
        self.candles: dict[str, list[Candle]] = {symbol: [] for symbol in self.markets}
        self._ids = count(1)

    @property
    def fills(self) -> list[tuple[str, str, Decimal]]:
        """Return name, side and amount of what filled, in order."""
        return [(each.client_order_id, each.side, each.amount) for each in self.orders.values() if each.filled]

    @property
    def open_orders(self) -> list[Order]:
        """Return the open orders."""
        return [order for order in self.orders.values() if order.status == "accepted"]

    def worth(self) -> Decimal:
        """Return what all is worth."""
        coins = (self.totals[market.base] * self.prices[symbol] for symbol, market in self.markets.items())
        return sum(coins, self.totals["USDT"])

    def price(self, price: Decimal | str | int, symbol: str = "BTC/USDT") -> None:
        """Move the price, fill what it touches, and let the strategy decide until it has nothing more to do."""
        self.prices[symbol] = price = Decimal(price)
        for order in list(self.open_orders):
            if order.symbol == symbol and order.price is not None:
                touched = order.price >= price if order.side == "buy" else order.price <= price
                if touched:
                    self._fill(order, order.price)
        self.settle()

    def close(self, candles: dict[str, Candle]) -> None:
        """Let a candle of each symbol close, and the strategy decide."""
        for symbol, candle in candles.items():
            self.candles[symbol].append(candle)
            self.prices[symbol] = candle.close
        self.settle()

    def settle(self, alert: Alert | None = None) -> None:
        """Let the strategy decide until it has nothing more to do; twice the same must be nothing new."""
        for _ in range(20):
            if not self._turn(alert):
                return
            alert = None
        raise AssertionError("it never comes to rest")

    def _turn(self, alert: Alert | None) -> bool:
        window = self.kind.window(self.settings)
        seen = {symbol: found[-window.count :] if window else [] for symbol, found in self.candles.items()}
        view = View(
            run=self.run,
            memory=self.memory,
            markets=self.markets,
            prices=self.prices,
            candles=seen,
            free=self._free(),
            totals=dict(self.totals),
            own=OrderBook(self.orders.values()).orders(),
            alert=alert,
            mode="live" if self.live else "paper",
        )
        done = False
        for step in list(self.kind.decide(self.settings, view)):
            match step:
                case Place():
                    done |= self._place(step)
                case Cancel():
                    self._put(self.orders[step.order_id], status="canceled")
                case Remember():
                    self.memory = step.memory
        return done

    def _free(self) -> dict[str, Decimal]:
        locked = dict.fromkeys(self.totals, ZERO)
        for order in self.open_orders:
            if order.side == "buy":
                locked["USDT"] += order.amount * (order.price or ZERO) * (ONE + FEE)
            else:
                locked[self.markets[order.symbol].base] += order.amount
        return {currency: total - locked[currency] for currency, total in self.totals.items()}

    def _place(self, step: Place) -> bool:
        name = order_name("mine", step.level, step.generation)
        if any(order.client_order_id == name for order in self.orders.values()):
            return False
        market, mark = self.markets[step.symbol], self.prices[step.symbol]
        amount = step.amount or round_down((step.quote_amount or ZERO) / (mark * (ONE + FEE)), market.amount_step)
        needed = amount * (step.price or mark) * (ONE + FEE) if step.side == "buy" else amount
        free = self._free()[market.quote if step.side == "buy" else market.base]
        if amount < market.min_amount or amount * mark < market.min_cost or needed > free:
            return False
        number = f"{next(self._ids):08d}"
        order = Order(
            id=number,
            client_order_id=name,
            account="account",
            mode="paper",
            exchange="demo",
            symbol=step.symbol,
            side=step.side,
            type=step.type,
            status="accepted",
            amount=amount,
            filled=ZERO,
            remaining=amount,
            price=step.price,
            stop_price=None,
            trailing_percent=None,
            average=None,
            cost=ZERO,
            fee=None,
            time_in_force="gtc",
            reduce_only=False,
            group_id=None,
            triggered_at=None,
            reject_code=None,
            created_at=MORNING,
            updated_at=MORNING,
        )
        self.orders[number] = order
        if step.price is None or (step.price >= mark if step.side == "buy" else step.price <= mark):
            self._fill(order, mark)
        return True

    def _fill(self, order: Order, price: Decimal) -> None:
        cost, sign = order.remaining * price, 1 if order.side == "buy" else -1
        base = self.markets[order.symbol].base
        fee = Fee(currency="USDT", cost=cost * FEE)
        if self.live and order.side == "buy":
            fee = Fee(currency=base, cost=order.remaining * FEE)
        self.totals[base] += sign * order.remaining
        self.totals["USDT"] -= sign * cost
        self.totals[fee.currency] -= fee.cost
        assert min(self.totals.values()) >= 0, f"{order.client_order_id} was not paid for"
        self._put(order, status="filled", filled=order.amount, remaining=ZERO, average=price, cost=cost, fee=fee)

    def _put(self, order: Order, **changes: Any) -> None:
        self.orders[order.id] = replace(order, **changes)
