"""Exact amounts, written and rounded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.money import is_multiple, plain, round_down

steps = st.sampled_from(["1e-8", "0.00025", "0.01", "0.5", "1", "10"]).map(Decimal)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12) | st.integers().map(Decimal))
def test_what_is_written_is_the_amount_in_its_shortest_form(value: Decimal) -> None:
    text = plain(value)
    assert Decimal(text) == value
    assert set(text) <= set("-.0123456789")
    assert "." not in text or text[-1] not in "0."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E-7", "0.0000001"),
        ("10.50", "10.5"),
        ("1E+3", "1000"),
        ("100", "100"),
        ("-0.00", "0"),
        ("-0", "0"),
        ("0", "0"),
    ],
)
def test_amounts_as_they_are_written(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(st.decimals("0", "1e12", places=10), steps)
def test_rounding_down_takes_less_than_a_step(value: Decimal, step: Decimal) -> None:
    down = round_down(value, step)
    assert is_multiple(down, step)
    assert value - step < down <= value
