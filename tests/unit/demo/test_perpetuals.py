"""The demo exchange's perpetuals: near their index, funded by a public formula."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.demo import perpetual
from engine.demo.generator import DemoMarket
from engine.markets.source import Quote
from utils.errors import NotFound
from utils.wire import Instrument

EPOCH = 1_763_600_000.0
MARKET = DemoMarket(7, EPOCH)
SWAPS = {market.symbol: market for market in MARKET.instruments() if market.type == "swap"}
LINEAR = sorted(symbol for symbol, market in SWAPS.items() if market.linear)

symbols = st.sampled_from(sorted(SWAPS))
moments = st.floats(EPOCH - 100 * 86_400, EPOCH + 100 * 86_400)
few = settings(max_examples=60, deadline=None)


def test_lists_linear_perpetuals_and_one_inverse() -> None:
    assert {"BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"} < set(LINEAR)
    assert len(LINEAR) >= 4
    assert set(SWAPS) - set(LINEAR) == {"BTC/USD:BTC"}
    for symbol, market in SWAPS.items():
        assert market.index in MARKET.symbols
        assert (market.contract_size, market.funding_seconds) == (1, 28_800)
        assert market.settle == symbol.split(":")[1]


@pytest.mark.parametrize("market", SWAPS.values(), ids=lambda market: str(market.symbol))
def test_the_maintenance_margin_is_below_the_initial_margin_in_every_tier(market: Instrument) -> None:
    assert market.leverage_tiers[0].max_leverage == market.max_leverage
    assert [t.max_cost for t in market.leverage_tiers] == sorted(t.max_cost for t in market.leverage_tiers)
    for tier in market.leverage_tiers:
        assert market.taker_fee * 4 < tier.maintenance_margin_rate < 1 / tier.max_leverage


@few
@given(symbols, moments)
def test_a_perpetual_stays_near_its_index(symbol: str, at: float) -> None:
    price, index = MARKET.quote(symbol, at).price, MARKET.index_price(symbol, at)
    ticks = 2 * SWAPS[symbol].price_tick
    assert abs(price - index) <= index * Decimal("0.001") + ticks


def test_the_basis_moves() -> None:
    apart = {
        round((MARKET.quote("BTC/USDT:USDT", at).price / MARKET.index_price("BTC/USDT:USDT", at) - 1) * 10_000, 1)
        for at in range(int(EPOCH), int(EPOCH) + 86_400, 3_600)
    }
    assert min(apart) < 0 < max(apart)


@few
@given(symbols, moments)
def test_the_ticker_tells_what_a_trader_of_perpetuals_needs(symbol: str, at: float) -> None:
    ticker = MARKET.ticker(symbol, at)
    assert ticker.mark_price == ticker.last
    assert ticker.index_price == MARKET.index_price(symbol, at)
    assert ticker.funding_rate == MARKET.funding_rate(symbol, at)
    assert ticker.next_funding_at is not None
    assert ticker.next_funding_at.hour in {0, 8, 16}
    assert 0 < ticker.next_funding_at.timestamp() - at <= 28_800


class Flat(DemoMarket):
    """BTC at 50,000 and its perpetual at a constant distance."""

    def __init__(self, premium: str) -> None:
        super().__init__(7, EPOCH)
        self._premium = Decimal(premium)

    def quote(self, symbol: str, at: float) -> Quote:
        price = Decimal(50_000) * (1 + (self._premium if ":" in symbol else 0))
        return Quote(symbol=symbol, price=price, bid=price - 1, ask=price + 1, at=at)


@pytest.mark.parametrize(
    ("premium", "rate"),
    [
        ("0", "0.0001"),  # interest alone
        ("0.0004", "0.0001"),  # within the damper: interest again
        ("0.001", "0.0005"),
        ("-0.001", "-0.0005"),
        ("0.1", "0.0075"),  # capped
        ("-0.1", "-0.0075"),
    ],
)
def test_the_funding_rate_by_hand(premium: str, rate: str) -> None:
    assert Flat(premium).funding_rate("BTC/USDT:USDT", EPOCH) == Decimal(rate)


def test_a_spot_pair_has_no_funding() -> None:
    for question in (MARKET.funding_rate, MARKET.index_price):
        with pytest.raises(NotFound) as caught:
            question("BTC/USDT", EPOCH)
        assert caught.value.code == "not_a_perpetual"
    assert MARKET.ticker("BTC/USDT", EPOCH).funding_rate is None


def test_a_shorter_interval_earns_less_interest() -> None:
    market = Flat("0")
    instrument = SWAPS["BTC/USDT:USDT"]
    assert perpetual.funding_rate(market, instrument, EPOCH) == Decimal("0.0001")
    hourly = next(i for i in DemoMarket(7, EPOCH, 3_600).instruments() if i.symbol == instrument.symbol)
    assert hourly.funding_seconds == 3_600
    assert perpetual.funding_rate(market, hourly, EPOCH) == Decimal("0.0000125")
