"""The demo exchange's options: the formula, what there is, and that nothing of it can be had for nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.demo import options
from engine.demo.black_scholes import Valued, smile, value
from engine.demo.catalogue import MARKETS
from engine.demo.generator import DemoMarket
from utils.errors import NotFound
from utils.wire import OptionChain, OptionQuote, OptionType

EPOCH = 1_763_612_345.5
MARKET = DemoMarket(7, EPOCH)
BTC = "BTC/USDT"
SPOTS = st.floats(0.01, 1e6)
MONEYNESS = st.floats(0.5, 2.0)
YEARS = st.floats(0.002, 2.0)
VOLATILITIES = st.floats(0.05, 2.0)
RATES = st.floats(-0.05, 0.2)
KINDS = st.sampled_from(["call", "put"])
few = settings(max_examples=60, deadline=None)


def test_a_value_from_the_textbook() -> None:
    # J. Hull, Options, Futures, and Other Derivatives: S = 42, K = 40, r = 10 %, volatility 20 %, half a year
    assert value("call", 42, 40, 0.5, 0.2, rate=0.1).price == pytest.approx(4.76, abs=0.005)
    assert value("put", 42, 40, 0.5, 0.2, rate=0.1).price == pytest.approx(0.81, abs=0.005)


@few
@given(SPOTS, MONEYNESS, YEARS, VOLATILITIES, RATES)
def test_put_and_call_are_at_par(spot: float, ratio: float, years: float, volatility: float, rate: float) -> None:
    strike = spot * ratio
    call, put = (value(kind, spot, strike, years, volatility, rate=rate) for kind in ("call", "put"))
    assert call.price - put.price == pytest.approx(spot - strike * exp(-rate * years), abs=1e-9 * spot)
    assert call.delta - put.delta == pytest.approx(1)
    assert (call.gamma, call.vega) == pytest.approx((put.gamma, put.vega))


@few
@given(KINDS, MONEYNESS, st.floats(0.05, 2.0), st.floats(0.1, 1.5), RATES)
def test_greeks_are_the_slopes_of_the_price(
    kind: OptionType, ratio: float, years: float, volatility: float, rate: float
) -> None:
    spot = 100.0
    strike = spot * ratio

    def price(spot: float = spot, years: float = years, volatility: float = volatility, rate: float = rate) -> float:
        return value(kind, spot, strike, years, volatility, rate=rate).price

    found = value(kind, spot, strike, years, volatility, rate=rate)
    step = 1e-3
    up, down = price(spot=spot + step), price(spot=spot - step)
    assert found.delta == pytest.approx((up - down) / (2 * step), abs=1e-5)
    assert found.gamma == pytest.approx((up - 2 * price() + down) / step**2, abs=1e-4)
    slope = (price(volatility=volatility + 1e-5) - price(volatility=volatility - 1e-5)) / 2e-5
    assert found.vega == pytest.approx(slope / 100, abs=1e-5)
    slope = (price(years=years - 1e-6) - price(years=years + 1e-6)) / 2e-6
    assert found.theta == pytest.approx(slope / 365, abs=1e-5)
    slope = (price(rate=rate + 1e-6) - price(rate=rate - 1e-6)) / 2e-6
    assert found.rho == pytest.approx(slope / 100, abs=1e-5)


@few
@given(SPOTS, MONEYNESS, YEARS, VOLATILITIES)
def test_values_lie_within_their_bounds_and_move_the_right_way(
    spot: float, ratio: float, years: float, volatility: float
) -> None:
    strike, slack = spot * ratio, 1e-9 * spot
    call, put = (value(kind, spot, strike, years, volatility) for kind in ("call", "put"))
    assert max(spot - strike, 0) - slack <= call.price <= spot + slack
    assert max(strike - spot, 0) - slack <= put.price <= strike + slack
    assert value("call", spot, strike * 1.01, years, volatility).price <= call.price + slack
    assert value("put", spot, strike * 1.01, years, volatility).price >= put.price - slack
    both: tuple[tuple[OptionType, Valued], ...] = (("call", call), ("put", put))
    for kind, found in both:
        assert value(kind, spot, strike, years * 1.1, volatility).price >= found.price - slack
        assert value(kind, spot, strike, years, volatility * 1.1).price >= found.price - slack
        assert found.gamma >= 0
        assert found.vega >= 0
        assert found.theta <= 0


@pytest.mark.parametrize("volatility", [0.2, 0.45, 0.9])
def test_no_butterfly_and_no_calendar_spread_on_the_smile_costs_nothing(volatility: float) -> None:
    moneyness = [step / 50 for step in range(-60, 61)]
    lengths = [1 / 365, 7 / 365, 30 / 365, 0.25, 0.5, 1.0]
    for years in lengths:
        strikes = [100 * exp(k) for k in moneyness]
        calls = [
            value("call", 100, strike, years, smile(k, years, volatility)).price
            for strike, k in zip(strikes, moneyness, strict=True)
        ]
        slopes = [
            (b - a) / (right - left) for (a, b), (left, right) in zip(pairwise(calls), pairwise(strikes), strict=True)
        ]
        assert all(-1 - 1e-9 <= slope <= 1e-9 for slope in slopes)
        assert all(later >= earlier - 1e-9 for earlier, later in pairwise(slopes)), "a butterfly costs nothing"
    for k in moneyness:
        total = [smile(k, years, volatility) ** 2 * years for years in lengths]
        assert total == sorted(total), "a calendar spread costs nothing"
    assert smile(0, 0.1, volatility) == pytest.approx(volatility)
    assert smile(-0.3, 0.1, volatility) > smile(0.3, 0.1, volatility), "who fears a fall pays for it"
    assert min(smile(-0.3, 0.1, volatility), smile(1.5, 0.1, volatility)) > smile(0, 0.1, volatility)


def test_expiries_are_fridays_and_the_last_ones_of_months() -> None:
    for days in range(0, 400, 3):
        at = EPOCH + days * 86_400
        found = [datetime.fromtimestamp(expiry, UTC) for expiry, _ in options.expiries(at)]
        assert found == sorted(set(found))
        assert all((each.isoweekday(), each.hour, each.minute) == (5, 8, 0) for each in found)
        assert all(each.timestamp() - at > 0 for each in found)
        weekly = [each for each in found if each.timestamp() - at <= 4 * options.WEEK_SECONDS]
        assert len(weekly) == 4, "each of the next four Fridays"
        later = found[4:]
        assert all((each + timedelta(weeks=1)).month != each.month for each in later)
        assert 4 <= len(later) <= 6
    friday = int(options.expiries(EPOCH)[0][0])
    assert options.expiries(friday - 1)[0][0] == friday
    assert options.expiries(friday)[0][0] == friday + options.WEEK_SECONDS


def sides(chain: OptionChain) -> list[tuple[Decimal, OptionQuote, OptionQuote]]:
    found = []
    for expiry in chain.expiries:
        for each in expiry.strikes:
            assert each.call is not None
            assert each.put is not None
            found.append((each.strike, each.call, each.put))
    return found


@pytest.mark.parametrize("symbol", options.UNDERLYINGS)
@pytest.mark.parametrize("days", [0, 3.9, 45, 200])
def test_what_is_quoted_is_consistent(symbol: str, days: float) -> None:
    at = EPOCH + days * 86_400
    chain = MARKET.option_chain(symbol, at)
    spot, tick = MARKET.quote(symbol, at).price, options.price_tick(MARKETS[symbol])
    assert {expiry.underlying_price for expiry in chain.expiries} == {spot}
    for expiry in chain.expiries:
        strikes = [each.strike for each in expiry.strikes]
        assert strikes == sorted(set(strikes))
        assert len(strikes) >= 15
        assert strikes[0] < spot < strikes[-1]
    names = [option.symbol for _, *pair in sides(chain) for option in pair]
    assert len(set(names)) == len(names)
    for strike, call, put in sides(chain):
        for option in (call, put):
            assert option.ask is not None
            assert option.mark is not None
            assert option.ask % tick == 0
            assert (option.bid or 0) <= option.mark <= option.ask
            assert option.bid is None or (option.bid > 0 and option.bid % tick == 0)
            assert option.open_interest is not None
            assert option.open_interest >= 0
        assert call.mark is not None
        assert put.mark is not None
        assert abs(call.mark - put.mark - (spot - strike)) <= tick / 50, "put-call parity"
        assert call.implied_volatility == put.implied_volatility
        assert call.ask is not None
        assert put.ask is not None
        # neither a conversion nor a reversal earns anything at the offers
        assert (call.bid or 0) - put.ask <= spot - strike <= call.ask - (put.bid or 0)
    for expiry in chain.expiries:
        calls = [each.call for each in expiry.strikes if each.call is not None]
        marks = [call.mark for call in calls if call.mark is not None]
        assert marks == sorted(marks, reverse=True)
        deltas = [call.delta for call in calls if call.delta is not None]
        assert deltas == sorted(deltas, reverse=True)


def test_the_same_moment_has_the_same_chain_and_strikes_stay() -> None:
    again = DemoMarket(7, EPOCH)
    assert again.option_chain(BTC, EPOCH + 60) == MARKET.option_chain(BTC, EPOCH + 60)
    today, later = (MARKET.option_chain(BTC, EPOCH + days * 86_400) for days in (0, 2))
    before = {each.expiry: [one.strike for one in each.strikes] for each in today.expiries}
    after = {each.expiry: [one.strike for one in each.strikes] for each in later.expiries}
    common = before.keys() & after.keys()
    assert len(common) >= 7
    assert all(before[expiry] == after[expiry] for expiry in common)
    soon = MARKET.option_chain(BTC, EPOCH + 1)
    assert [call.open_interest for _, call, _ in sides(today)] == [call.open_interest for _, call, _ in sides(soon)]


def test_the_smile_has_its_lowest_point_near_the_money() -> None:
    chain = MARKET.option_chain(BTC, EPOCH)
    for expiry in chain.expiries:
        spot = float(expiry.underlying_price or 0)
        low = min(expiry.strikes, key=lambda each: (each.call or OptionQuote(symbol="")).implied_volatility or 9)
        assert abs(log(float(low.strike) / spot)) < 0.25


@pytest.mark.parametrize("symbol", ["ADA/USDT", "ETH/BTC", "BTC/USDT:USDT"])
def test_other_markets_have_none(symbol: str) -> None:
    with pytest.raises(NotFound) as caught:
        MARKET.option_chain(symbol, EPOCH)
    assert caught.value.code == "no_options"
