"""The grid: limit orders at even distances around the price it was started at."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar

from msgspec import Meta

from engine.strategies.mode import StrategyMode
from engine.strategies.settings import OrderValue, Settings, number
from engine.strategies.view import Cancel, Own, Place, Remember, Say, Step, View
from utils.money import HUNDRED, ZERO, plain, round_down
from utils.wire import Instrument, Side

FEES = Decimal("1.02")
"""What is kept free for fees and for the price the coins are bought at."""


class GridSettings(Settings, frozen=True, kw_only=True):
    """How far the lines of a grid are apart, and how many there are."""

    levels: Annotated[int, Meta(ge=1, le=50, description="Lines below the price, and as many above.")] = 5
    spacing_percent: Annotated[Decimal, number("Distance of two lines, in percent.", low="0.001", high="50")] = Decimal(
        "0.5"
    )
    order_value: OrderValue | None = None

    def check(self) -> None:
        """Keep the lowest line above zero. :raises ValueError: it is not."""
        if self.levels * self.spacing_percent >= HUNDRED:
            raise ValueError("The lowest line would be at zero or below: fewer levels, or a smaller spacing")


class Grid(StrategyMode):
    """Grid.

    Buys a step lower, sells a step higher: lines at even distances lie below and above the price at the start. For the
    upper ones coins are bought then. Each line that fills waits a step further for the way back. `order_value` is what
    each order is worth; without it the funding is shared evenly.
    """

    NAME = "grid"
    SETTINGS: ClassVar[type[Settings]] = GridSettings

    @staticmethod
    def decide(settings: GridSettings, view: View) -> Iterator[Step]:
        """Place the orders of the lines that have none."""
        memory = view.memory
        if memory.get("run") != str(view.run):
            memory = _plan(settings, view)
            yield Remember(memory)
            if settings.spacing_percent <= 2 * view.market.maker_fee * HUNDRED:
                yield Say("A step back and forth earns less than its fees: widen the spacing", "warning")
        for own in view.own:
            if own.is_open and not own.generation.startswith(f"{view.run}-"):
                yield Cancel(own.order.id)
        lines = _lines(settings, view.market, Decimal(memory["anchor"]), Decimal(memory["value"]))
        yield from _coins(view, sum((line.amount for line in lines if line.number > 0), ZERO), memory)
        for line in lines:
            last = view.latest(line.level)
            if last is not None and not last.generation.startswith(f"{view.run}-"):
                last = None  # of an earlier run
            if last is None or not last.is_open:
                yield line.next(last, view.run)


class _Line:
    """A line: below the price (`number` < 0) it buys at home and sells a step higher, above it is the reverse."""

    def __init__(self, number: int, amount: Decimal, home: Decimal, away: Decimal, symbol: str) -> None:
        self.number = number
        self.amount = amount
        self.level = f"{'down' if number < 0 else 'up'}{abs(number)}"
        self._prices = (home, away)
        self._symbol = symbol

    def next(self, last: Own | None, run: int) -> Place:
        """Return the order that follows the last one: the way back when that filled, else the same once more."""
        count, is_home = 0, True
        if last is not None:
            count = int(last.generation.partition("-")[2]) + 1
            was_home = (last.order.side == "buy") == (self.number < 0)
            is_home = was_home != (last.order.status == "filled")
        side: Side = "buy" if (self.number < 0) == is_home else "sell"
        return Place(
            level=self.level,
            generation=f"{run}-{count}",
            side=side,
            symbol=self._symbol,
            type="limit",
            amount=self.amount,
            price=self._prices[0] if is_home else self._prices[1],
            vital=count == 0,
        )


def _plan(settings: GridSettings, view: View) -> dict[str, str]:
    """Decide around which price the lines lie, and what their orders are worth."""
    value = settings.order_value
    if value is None:
        worth = view.totals[view.market.quote] + view.totals[view.market.base] * view.price
        value = worth / FEES / (2 * settings.levels)
    return {
        "run": str(view.run),
        "anchor": plain(view.price),
        "value": plain(round(value, 8)),
        "held": plain(view.totals[view.market.base]),
    }


def _lines(settings: GridSettings, market: Instrument, anchor: Decimal, value: Decimal) -> list[_Line]:
    step = anchor * settings.spacing_percent / HUNDRED

    def price(number: int) -> Decimal:
        return round_down(anchor + number * step, market.price_tick)

    numbers = [number for number in range(-settings.levels, settings.levels + 1) if number]
    return [
        _Line(
            number,
            round_down(value / price(number), market.amount_step),
            price(number),
            price(number + 1) if number < 0 else price(number - 1),
            market.symbol,
        )
        for number in numbers
    ]


def _coins(view: View, needed: Decimal, memory: dict[str, str]) -> Iterator[Step]:
    """Buy what the upper lines sell, but for what was there, or sell what is too much; once in a run."""
    market, generation = view.market, f"{view.run}-0"
    last = view.latest("coins")
    if last is not None and last.generation == generation:
        return
    missing = needed - Decimal(memory["held"])
    amount = round_down(abs(missing), market.amount_step)
    if amount >= market.min_amount and amount * view.price >= market.min_cost:
        side: Side = "buy" if missing > 0 else "sell"
        yield Place(level="coins", generation=generation, side=side, symbol=market.symbol, amount=amount, vital=True)
