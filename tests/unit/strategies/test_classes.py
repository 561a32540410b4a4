"""What each class does on recorded candles, held against a reckoning of its own."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import pairwise
from statistics import fmean

import pytest
from msgspec.structs import replace

from engine.strategies.classes.crossover import Crossover
from engine.strategies.classes.dca import Dca
from engine.strategies.classes.grid import Grid
from engine.strategies.classes.index import Index
from engine.strategies.classes.rsi import Rsi
from engine.strategies.classes.signal import Signal
from engine.strategies.indicators import rsi
from engine.strategies.mode import StrategyMode
from tests.unit.strategies.playground import FEE, MARKETS, Playground, recorded
from utils.wire import Alert, Candle

HOURS = recorded("BTC/USDT", "1h", 500)


def play(playground: Playground, candles: list[Candle], symbol: str = "BTC/USDT") -> Playground:
    """Let candles of one symbol close, one after the other."""
    for candle in candles:
        playground.close({symbol: candle})
    return playground


def seconds(candle: Candle) -> int:
    return candle.timestamp // 1000


class TestDca:
    def test_buys_once_in_each_slot(self) -> None:
        played = play(Playground(Dca, "100000", timeframe="1h", every=6, order_value=Decimal(50)), HOURS)
        slots = sorted({seconds(candle) // 3_600 // 6 for candle in HOURS})
        assert [name for name, _, _ in played.fills] == [f"mine:buy:{slot}" for slot in slots]
        step = MARKETS["BTC/USDT"].amount_step
        for order in played.orders.values():
            assert order.cost + order.cost * FEE <= 50
            assert (order.amount + step) * (order.average or 0) * (1 + FEE) > 50

    def test_a_slot_that_was_missed_is_left_out(self) -> None:
        played = Playground(Dca, "1000", timeframe="1h", every=1, order_value=Decimal(50))
        play(played, [HOURS[0], HOURS[1], HOURS[9]])
        assert [name for name, _, _ in played.fills] == [f"mine:buy:{seconds(HOURS[at]) // 3_600}" for at in (0, 1, 9)]

    def test_stops_buying_without_money(self) -> None:
        played = play(Playground(Dca, "120", timeframe="1h", every=1, order_value=Decimal(50)), HOURS[:10])
        assert len(played.fills) == 2


class TestCrossover:
    @pytest.mark.parametrize("average", ["sma", "ema"])
    def test_trades_where_the_averages_cross(self, average: str) -> None:
        fast, slow = 5, 20
        played = play(Playground(Crossover, "10000", average=average, fast=fast, slow=slow, timeframe="1h"), HOURS)
        expected, holds = [], False
        for at in range(slow, len(HOURS)):
            closes = [float(candle.close) for candle in HOURS[: at + 1]]
            above = mean(average, closes, fast) > mean(average, closes, slow)
            if above != holds:
                holds = above
                expected.append((f"mine:{'buy' if above else 'sell'}:{seconds(HOURS[at])}", "buy" if above else "sell"))
        assert [(name, side) for name, side, _ in played.fills] == expected
        assert len(expected) > 10
        # each sale is of all that was bought before
        for bought, sold in pairwise(played.fills):
            assert bought[1] != sold[1]
            if sold[1] == "sell":
                assert bought[2] == sold[2]

    def test_buys_a_share_of_what_is_free(self) -> None:
        played = play(
            Playground(Crossover, "10000", average="sma", fast=2, slow=3, share_percent=Decimal(25)), HOURS[:60]
        )
        first = next(iter(played.orders.values()))
        assert Decimal(2_490) < first.cost < Decimal(2_500)


class TestRsi:
    def test_is_wilders_index(self) -> None:
        # Wilder's smoothing, reckoned by hand: averages of the first fourteen changes, then one part in fourteen
        closes = [float(candle.close) for candle in HOURS[:57]]
        changes = [after - before for before, after in pairwise(closes)]
        up, down = fmean(max(c, 0) for c in changes[:14]), fmean(max(-c, 0) for c in changes[:14])
        for change in changes[14:]:
            up, down = (up * 13 + max(change, 0)) / 14, (down * 13 + max(-change, 0)) / 14
        assert rsi([candle.close for candle in HOURS[:57]], 14)[-1] == pytest.approx(100 * up / (up + down))

    def test_buys_low_and_sells_high(self) -> None:
        played = play(Playground(Rsi, "10000", timeframe="1h", period=7, oversold=Decimal(30)), HOURS)
        sides = [side for _, side, _ in played.fills]
        assert len(sides) >= 4
        assert sides == ["buy", "sell"] * (len(sides) // 2) + ["buy"] * (len(sides) % 2)
        by_time = {str(seconds(candle)): at for at, candle in enumerate(HOURS)}
        for name, side, _ in played.fills:
            at = by_time[name.rsplit(":", 1)[1]]
            index = rsi([candle.close for candle in HOURS[max(at - 28, 0) : at + 1]], 7)[-1]
            assert index < 30 if side == "buy" else index > 70


class TestIndex:
    def test_keeps_the_weights(self) -> None:
        symbols = {"BTC/USDT": Decimal(2), "ETH/USDT": Decimal(1), "SOL/USDT": Decimal(1)}
        tapes = {symbol: recorded(symbol, "1d", 200) for symbol in symbols}
        settings = {"timeframe": "1d", "threshold_percent": Decimal(2), "weights": symbols}
        played = Playground(Index, "100000", *symbols, **settings)
        changes = 0
        for candles in zip(*tapes.values(), strict=True):
            before = len(played.orders)
            played.close(dict(zip(symbols, candles, strict=True)))
            changes += len(played.orders) > before
            whole = played.worth()
            for symbol, weight in symbols.items():
                value = played.totals[MARKETS[symbol].base] * played.prices[symbol]
                assert abs(value / whole - weight / 4) <= Decimal("0.021"), symbol
        assert 2 <= changes < 100

    def test_does_nothing_within_the_threshold(self) -> None:
        played = Playground(Index, "10000", "BTC/USDT", "ETH/USDT", threshold_percent=Decimal(5))
        for close in (100, 101, 102, 101):
            played.close({symbol: flat(close) for symbol in ("BTC/USDT", "ETH/USDT")})
        assert len(played.fills) == 2

    def test_weights_name_the_basket(self) -> None:
        settings = Index.SETTINGS(weights={"BTC/USDT": Decimal(1)})
        Index.check(settings, ["BTC/USDT"])  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="weights must name"):
            Index.check(settings, ["BTC/USDT", "ETH/USDT"])  # type: ignore[arg-type]


class TestGrid:
    def test_each_step_back_and_forth_earns_the_spacing(self) -> None:
        played = Playground(Grid, "10000", levels=3, spacing_percent=Decimal(1), order_value=Decimal(1_000))
        played.price(50_000)
        assert len(played.open_orders) == 6
        before = played.worth()
        for _ in range(5):
            played.price(49_400)
            played.price(50_000)
        assert len(played.open_orders) == 6
        # five times 0.0202 BTC bought at 49,500 and sold at 50,000
        amount = next(order.amount for order in played.orders.values() if order.client_order_id == "mine:down1:1-0")
        earned = 5 * amount * (500 - (49_500 + 50_000) * FEE)
        assert played.worth() - before == earned

    @pytest.mark.parametrize("live", [False, True], ids=["paper", "fees in coins"])
    def test_every_line_has_one_order_wherever_the_price_goes(self, live: bool) -> None:
        chance = random.Random(3)
        played = Playground(Grid, "10000", levels=8, spacing_percent=Decimal("0.5"))
        played.live = live
        played.price(50_000)
        for _ in range(300):
            played.price(round(50_000 * Decimal(1 + chance.gauss(0, 0.015)), 2))
            levels = [order.client_order_id.split(":")[1] for order in played.open_orders]
            assert sorted(levels) == sorted({f"{side}{line}" for side in ("up", "down") for line in range(1, 9)})
        assert len(played.fills) > 100

    def test_coins_that_were_on_a_live_account_stay(self) -> None:
        played = Playground(Grid, "10000", levels=2, spacing_percent=Decimal(1), order_value=Decimal(1_000))
        played.live, played.totals["BTC"] = True, Decimal(1)
        played.price(50_000)
        assert (len(played.open_orders), played.fills) == (4, [])
        assert sum(order.amount for order in played.open_orders if order.side == "sell") < Decimal("0.04")

    def test_what_an_exchange_filled_before_it_cancelled_is_not_bought_again(self) -> None:
        played = Playground(Grid, "10000", levels=1, spacing_percent=Decimal(1), order_value=Decimal(1_000))
        played.price(50_000)
        line = next(order for order in played.open_orders if order.side == "buy")
        rest = line.amount - Decimal("0.01")
        played.totals["BTC"] += Decimal("0.01")
        played._put(line, status="canceled", filled=Decimal("0.01"), remaining=rest)
        played.settle()
        again = next(order for order in played.open_orders if order.side == "buy")
        assert (again.client_order_id, again.amount, again.price) == ("mine:down1:1-1", rest, line.price)
        played.price(49_500)
        assert [order.amount for order in played.open_orders if order.price == 50_000] == [line.amount]

    def test_coins_that_an_exchange_did_not_sell_whole_are_bought_by_another_order(self) -> None:
        played = Playground(Grid, "10000", levels=1, spacing_percent=Decimal(1), order_value=Decimal(1_000))
        played.prices["BTC/USDT"] = Decimal(50_000)
        played._turn(None)
        (coins,) = played.orders.values()
        part = Decimal("0.004")
        played.totals["BTC"] -= coins.amount - part
        played._put(coins, status="expired", filled=part, remaining=coins.amount - part)
        played.settle()
        assert [(name, amount) for name, _, amount in played.fills] == [
            ("mine:coins:1-0", coins.amount),
            ("mine:coins:1-1", coins.amount - part),
        ]
        assert len(played.open_orders) == 2

    def test_another_run_starts_from_where_the_price_is(self) -> None:
        played = Playground(Grid, "10000", levels=2, spacing_percent=Decimal(1))
        played.price(50_000)
        played.run = 2
        played.price(60_000)
        assert sorted(order.client_order_id for order in played.open_orders) == [
            f"mine:{side}{line}:2-0" for side in ("down", "up") for line in (1, 2)
        ]
        prices = sorted(order.price or 0 for order in played.open_orders)
        assert prices == [58_800, 59_400, 60_600, 61_200]


class TestSignal:
    def test_does_what_it_is_told(self) -> None:
        played = Playground(Signal, "1000", order_value=Decimal(100))
        played.price(50_000)
        assert not played.orders
        played.settle(Alert(action="buy", id="a"))
        played.settle(Alert(action="buy", id="a"))
        assert [side for _, side, _ in played.fills] == ["buy"]
        played.settle(Alert(action="close"))
        assert [side for _, side, _ in played.fills] == ["buy", "sell"]
        assert played.totals["BTC"] == 0


@pytest.mark.parametrize("kind", [Dca, Crossover, Rsi, Signal, Grid, Index])
def test_deciding_twice_says_the_same(kind: type[StrategyMode]) -> None:
    """A strategy that is asked again in the midst of what it wants must want the same by the same names."""
    played = Playground(kind, "10000")
    play(played, HOURS[:200])
    assert not played._turn(None)


def flat(close: int) -> Candle:
    """Return a candle that stands still."""
    price = Decimal(close)
    return replace(HOURS[0], open=price, high=price, low=price, close=price)


def mean(average: str, closes: list[float], period: int) -> float:
    """Return a moving average, written out; an exponential one over the window that the strategy sees."""
    if average == "sma":
        return fmean(closes[-period:])
    window = closes[-81:]
    value, part = window[0], 2 / (period + 1)
    for close in window[1:]:
        value += part * (close - value)
    return value
