"""The grid: limit orders at even distances around the price it was started at."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar

from msgspec import Meta

from engine.strategies.mode import StrategyMode
from engine.strategies.settings import OrderValue, Settings, number
from engine.strategies.view import Cancel, Own, Place, Remember, Say, Step, View
from utils.money import HUNDRED, ONE, ZERO, plain, round_down
from utils.wire import Instrument, Side

FEES = Decimal("1.02")
"""What is kept free for fees and for the price the coins are bought at."""
COINS = "coins"
"""The level of the order that buys what the upper lines sell."""


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
        needed = sum((line.amount for line in lines if line.number > 0), ZERO)
        buying = _coins(view, needed, memory)
        coins = _latest(view, COINS)
        if buying is not None:
            yield buying  # what it brings is seen in the turn that its fill leads to
        if buying is not None or (coins is not None and coins.is_open):
            return
        short = _short(coins, needed, memory, view.market)
        for line in lines:
            last = _latest(view, line.level)
            if last is None or not last.is_open:
                yield line.next(last, view.run, short if last is None else _kept(last, view.market))


class _Line:
    """A line: below the price (`number` < 0) it buys at home and sells a step higher, above it is the reverse."""

    def __init__(self, number: int, amount: Decimal, home: Decimal, away: Decimal, market: Instrument) -> None:
        self.number = number
        self.amount = amount
        self.level = f"{'down' if number < 0 else 'up'}{abs(number)}"
        self._prices = (home, away)
        self._symbol, self._step = market.symbol, market.amount_step

    def next(self, last: Own | None, run: int, short: Decimal) -> Place:
        """Return the order that follows the last one: the way back when that filled, else what is left of it.

        :param short: which part of the coins to be sold is not there: a fee was taken from them.
        """
        count, is_home, amount = 0, True, self.amount
        if last is not None:
            count = _count(last) + 1
            was_home = (last.order.side == "buy") == (self.number < 0)
            is_home = was_home != (last.order.status == "filled")
            if last.order.status != "filled" and last.order.filled:
                amount = last.order.remaining
        side: Side = "buy" if (self.number < 0) == is_home else "sell"
        if side == "sell" and short:
            amount = round_down(amount * (ONE - short), self._step)
        return Place(
            level=self.level,
            generation=f"{run}-{count}",
            side=side,
            symbol=self._symbol,
            type="limit",
            amount=amount,
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
            market,
        )
        for number in numbers
    ]


def _coins(view: View, needed: Decimal, memory: dict[str, str]) -> Place | None:
    """Buy what the upper lines sell, but for what was there, or sell what is too much; once in a run.

    What is too much on a live account is its owner's, and stays.
    """
    market, last = view.market, _latest(view, COINS)
    count, missing = 0, needed - Decimal(memory["held"])
    if last is not None:
        if last.is_open or last.order.status == "filled":
            return None
        count, missing = _count(last) + 1, last.order.remaining if last.order.side == "buy" else -last.order.remaining
    amount = round_down(abs(missing), market.amount_step)
    if (missing < 0 and view.mode == "live") or amount < market.min_amount or amount * view.price < market.min_cost:
        return None
    return Place(
        level=COINS,
        generation=f"{view.run}-{count}",
        side="buy" if missing > 0 else "sell",
        symbol=market.symbol,
        amount=amount,
        vital=True,
    )


def _latest(view: View, level: str) -> Own | None:
    """Return the newest order of a level in this run."""
    last = view.latest(level)
    return last if last is not None and last.generation.startswith(f"{view.run}-") else None


def _count(own: Own) -> int:
    return int(own.generation.partition("-")[2])


def _kept(own: Own, market: Instrument) -> Decimal:
    """Return which part of the coins that an order bought its exchange has kept as a fee."""
    fee = own.order.fee
    if own.order.side != "buy" or fee is None or fee.currency != market.base:
        return ZERO
    return fee.cost / own.order.filled


def _short(coins: Own | None, needed: Decimal, memory: dict[str, str], market: Instrument) -> Decimal:
    """Return which part of the coins that the upper lines sell at first is not there."""
    there = Decimal(memory["held"])
    if coins is not None and coins.order.side == "buy":
        there += coins.order.filled * (ONE - _kept(coins, market))
    elif coins is not None:
        there -= coins.order.filled
    return max(ONE - there / needed, ZERO)
