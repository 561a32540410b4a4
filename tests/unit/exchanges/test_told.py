"""What an exchange tells that makes no sense, as one that was broken into may."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.exchanges.tickers import ticker_of
from engine.live.outcomes import FAILURES, fill_of
from utils.money import told

SENSELESS = ["1e999999999", "-1e999999999", "1e-999999999", "NaN", "Infinity", "sNaN", "much", None]
FILL = {"id": "f1", "price": "50000", "amount": "0.1", "cost": "5000", "fee": {"currency": "USDT", "cost": "5"}}


def ticker(**found: Any) -> Any:
    return ticker_of("BTC/USDT", "binance", {"last": "50000", "bid": "49999", "ask": "50001", **found}, 0.0)


@pytest.mark.parametrize("number", SENSELESS)
def test_no_number_costs_more_memory_than_it_has_letters(number: str | None) -> None:
    with pytest.raises(ArithmeticError):
        told(number)


@pytest.mark.parametrize(
    ("number", "value"), [("0", "0"), (0.1, "0.1"), ("1e-18", "1e-18"), (Decimal("-2.50"), "-2.5")]
)
def test_numbers_are_taken_as_they_were_written(number: object, value: str) -> None:
    assert told(number) == Decimal(value)


@pytest.mark.parametrize("number", SENSELESS)
def test_a_market_without_a_price_is_left_out_and_others_are_not(number: str | None) -> None:
    assert ticker(last=number) is None
    assert ticker(percentage=number).change_percent == 0
    assert ticker(bid=number).bid == 50_000


@pytest.mark.parametrize("member", ["price", "amount", "cost"])
@pytest.mark.parametrize("number", [*SENSELESS[:-1], "-1"])
def test_a_fill_that_makes_no_sense_is_not_booked(member: str, number: str) -> None:
    with pytest.raises(FAILURES):
        fill_of({**FILL, member: number})


def test_a_fill_with_a_fee_that_makes_no_sense_is_not_booked() -> None:
    assert fill_of(FILL).cost == 5_000
    with pytest.raises(FAILURES):
        fill_of({**FILL, "fee": {"currency": "USDT", "cost": "1e999999999"}})
